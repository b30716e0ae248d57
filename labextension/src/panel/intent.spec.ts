import { Intent } from './intent';

test('an id is one that the service takes, and the same for every press that means the same', () => {
  const intent = new Intent();
  const id = intent.idOf('train.py');
  expect(id).toMatch(/^r[0-9abcdefghjkmnpqrstvwxyz]{7}$/);
  expect(intent.idOf('train.py')).toBe(id);
});

test('an edit, and an answer, make the next press another run', () => {
  const intent = new Intent();
  const id = intent.idOf('train.py');
  const edited = intent.idOf('other.py');
  expect(edited).not.toBe(id);
  intent.end();
  expect(intent.idOf('other.py')).not.toBe(edited);
});
