/**
 * @jest-environment jsdom
 */
import { ROW_PX, ROWS_IN_VIEW, VirtualList } from './list';

interface IItem {
  readonly id: string;
  readonly text: string;
}

const items = (count: number, from = 0): IItem[] =>
  Array.from({ length: count }, (_, at) => ({ id: `r${from + at}`, text: `run ${from + at}` }));

function aList(shown = items(1_000)) {
  const actions = { open: jest.fn(), remove: jest.fn(), copy: jest.fn() };
  const drawn: string[] = [];
  const make = () => {
    const node = document.createElement('div');
    node.setAttribute('role', 'option');
    return {
      node,
      update: (item: IItem) => {
        drawn.push(item.id);
        node.dataset.runId = item.id;
        node.textContent = item.text;
      }
    };
  };
  const list = new VirtualList<IItem>('Runs', make, actions);
  document.body.replaceChildren(list.node);
  list.update(shown);
  const rows = (): HTMLElement[] => [...list.node.querySelectorAll<HTMLElement>('[role=option]')];
  const row = (id: string): HTMLElement => rows().find(each => each.dataset.runId === id)!;
  const key = (name: string, more = {}): boolean =>
    document.activeElement!.dispatchEvent(
      new KeyboardEvent('keydown', { key: name, bubbles: true, cancelable: true, ...more })
    );
  const scrollTo = (top: number): void => {
    list.node.scrollTop = top;
    list.node.dispatchEvent(new Event('scroll'));
  };
  const tabbable = (): (string | undefined)[] =>
    rows()
      .filter(each => each.tabIndex === 0)
      .map(each => each.dataset.runId);
  return { list, actions, rows, row, key, scrollTo, tabbable, drawn };
}

test('of a thousand rows only those in view are there, and the list is as high as all of them', () => {
  const { rows, scrollTo, list } = aList();
  expect(rows().length).toBeLessThan(3 * ROWS_IN_VIEW);
  expect(list.node.querySelector<HTMLElement>('[role=listbox]')!.style.height).toBe(`${1_000 * ROW_PX}px`);
  scrollTo(500 * ROW_PX);
  expect(rows().length).toBeLessThan(3 * ROWS_IN_VIEW);
  expect(rows().some(row => row.dataset.runId === 'r505' && row.style.top === `${505 * ROW_PX}px`)).toBe(true);
  expect(
    rows()
      .find(row => row.dataset.runId === 'r505')!
      .getAttribute('aria-posinset')
  ).toBe('506');
});

test('Tab comes to one row; keys move from there, also to where nothing was drawn yet', () => {
  const { row, key, tabbable, list } = aList();
  expect(tabbable()).toEqual(['r0']);
  row('r0').focus();
  key('ArrowDown');
  key('PageDown');
  expect(document.activeElement).toBe(row('r12'));
  key('End');
  expect(document.activeElement).toBe(row('r999'));
  expect(tabbable()).toEqual(['r999']);
  expect(list.node.scrollTop).toBe((1_000 - ROWS_IN_VIEW) * ROW_PX);
  key('Home');
  expect(document.activeElement).toBe(row('r0'));
});

test('Enter opens, Delete removes, Ctrl+C copies, and so do two clicks open', () => {
  const { row, key, actions } = aList();
  row('r3').focus();
  key('Enter');
  key('Delete');
  key('c', { ctrlKey: true });
  row('r4').dispatchEvent(new MouseEvent('dblclick', { bubbles: true }));
  expect(actions.open.mock.calls).toEqual([['r3'], ['r4']]);
  expect(actions.remove.mock.calls).toEqual([['r3']]);
  expect(actions.copy.mock.calls).toEqual([['r3']]);
});

test('other keys are left to the page', () => {
  const { row, key } = aList();
  row('r3').focus();
  expect(key('Tab')).toBe(true);
  expect(key('c')).toBe(true);
  expect(key('ArrowDown')).toBe(false);
});

test('an update keeps element, focus and selection of a row that moves; rows that did not change are not drawn', () => {
  const shown = items(20);
  const { list, row, drawn } = aList(shown);
  row('r5').focus();
  const element = row('r5');
  drawn.length = 0;
  list.update([{ id: 'new', text: 'new' }, ...shown]);
  expect(row('r5')).toBe(element);
  expect(document.activeElement).toBe(element);
  expect(element.style.top).toBe(`${6 * ROW_PX}px`);
  expect(element.getAttribute('aria-selected')).toBe('true');
  expect(drawn).toEqual(['new']);
});

test('the row that has the focus stays there, however far one scrolls', () => {
  const { row, scrollTo } = aList();
  row('r2').focus();
  scrollTo(900 * ROW_PX);
  expect(document.activeElement).toBe(row('r2'));
});

test('a current row that goes hands selection and focus to the next', () => {
  const { list, row } = aList(items(5));
  row('r2').focus();
  list.update(items(5).filter(item => item.id !== 'r2'));
  expect(list.current).toBe('r3');
  expect(document.activeElement).toBe(row('r3'));
});
