import type { TranslationBundle } from '@jupyterlab/translation';

import { translateSchema } from './schemas';

const trans = { _p: (context: string, text: string) => `${context}: ${text}` } as unknown as TranslationBundle;

test('titles, descriptions and names of menus are said, and nothing else is changed', () => {
  const schema = {
    title: 'Training',
    'jupyter.lab.menus': { main: [{ id: 'menu', label: 'Training', items: [{ command: 'aicci:new-run' }] }] },
    properties: { runEnds: { title: 'When a run ends', type: 'boolean', default: true } }
  };
  translateSchema(schema, trans);
  expect(schema).toEqual({
    title: 'schema: Training',
    'jupyter.lab.menus': { main: [{ id: 'menu', label: 'schema: Training', items: [{ command: 'aicci:new-run' }] }] },
    properties: { runEnds: { title: 'schema: When a run ends', type: 'boolean', default: true } }
  });
});
