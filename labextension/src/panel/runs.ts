/**
 * The runs: whose, a search where there are many, and the list itself. A press selects, Enter or two clicks open, Delete asks to stop.
 *
 * Rule: a run that did not change is not drawn again, except for its clock.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { el, setText } from '../card/dom';
import { stateWord } from '../card/words';
import type { ISummary } from '../protocol';
import type { ISite } from '../site/protocol';
import type { IKept, IPanelActions } from './actions';
import { VirtualList, type IListRow } from './list';
import { sayIn, setTitle } from './rows';
import { costWords, runTitle, short, whenWords, whereWords } from './words';

/** From so many runs on one searches. */
const SEARCHED_FROM = 8;

export interface IRunsActions extends Pick<IPanelActions, 'open' | 'stop' | 'copyId'> {
  /** Somebody chose whose runs are listed. */
  chosen(): void;
}

export class RunsList {
  readonly node: HTMLElement;
  /** Stands in the section's heading. */
  readonly whoseSelect = el('select', 'whose');

  constructor(
    actions: IRunsActions,
    nowNs: () => number,
    private readonly _trans: TranslationBundle
  ) {
    const trans = _trans;
    this.whoseSelect.append(new Option(trans.__('Mine'), 'mine'), new Option(trans.__('All'), 'all'));
    this.whoseSelect.setAttribute('aria-label', trans.__('Whose runs'));
    this.whoseSelect.addEventListener('change', () => {
      this._draw();
      actions.chosen();
    });
    this._search.type = 'search';
    this._search.placeholder = trans.__('Name, id, shape or state');
    this._search.setAttribute('aria-label', trans.__('Search the runs'));
    this._search.addEventListener('input', () => this._draw());
    this._empty.setAttribute('role', 'status');
    this._list = new VirtualList(trans.__('Runs'), () => new RunRow(nowNs, trans), {
      open: id => actions.open(id),
      remove: id => actions.stop(id),
      copy: id => actions.copyId(id)
    });
    this.node = el('div', 'runs', this._search, this._list.node, this._empty, this._more);
  }

  get whose(): IKept['whose'] {
    return this.whoseSelect.value === 'all' ? 'all' : 'mine';
  }

  set whose(whose: IKept['whose']) {
    this.whoseSelect.value = whose;
    this._draw();
  }

  update(site: ISite): void {
    const changed = site.runs !== this._site?.runs || site.more_runs !== this._site.more_runs;
    this._site = site;
    if (changed) {
      this._draw();
    }
  }

  /** Another second has passed. */
  tick(): void {
    this._list.refresh();
  }

  private _draw(): void {
    const site = this._site;
    if (!site) {
      return;
    }
    const mine = site.runs.filter(run => this.whose === 'all' || !run.owner || run.owner === site.user);
    const asked = this._search.value.trim().toLowerCase();
    const found = asked ? mine.filter(run => this._matches(run, asked)) : mine;
    this._search.hidden = mine.length <= SEARCHED_FROM && !asked;
    this._list.update(found);
    this._list.node.hidden = found.length === 0;
    sayIn(this._empty, this._emptyWords(site, mine.length, found.length));
    const { more_runs } = site;
    sayIn(this._more, more_runs ? this._trans.__('and %1 older, which %aicci ps lists', more_runs) : '');
  }

  private _matches(run: ISummary, asked: string): boolean {
    const words = [run.name, run.id, run.shape, run.state, stateWord(run.state, this._trans), run.exit_class ?? ''];
    return words.some(word => word.toLowerCase().includes(asked));
  }

  /** Why nothing is listed, and what to do. */
  private _emptyWords(site: ISite, mine: number, found: number): string {
    const trans = this._trans;
    if (found) {
      return '';
    }
    if (mine) {
      return trans.__('No run matches. Clear the search to see all %1.', mine);
    }
    return site.runs.length
      ? trans.__('No run of yours. Choose “All” to see %1 of others.', site.runs.length)
      : trans.__('No run yet. Insert a cell or launch a script above.');
  }

  private _site: ISite | null = null;
  private readonly _search = el('input', 'input search');
  private readonly _empty = el('p', 'empty');
  private readonly _more = el('p', 'empty');
  private readonly _list: VirtualList<ISummary>;
}

/** `▶ resnet-a h100x8 ×2 … 12:43 $4.12`. */
export class RunRow implements IListRow<ISummary> {
  readonly node: HTMLElement;

  constructor(
    private readonly _nowNs: () => number,
    private readonly _trans: TranslationBundle
  ) {
    this._icon.setAttribute('aria-hidden', 'true');
    this.node = el('div', 'run-row', this._icon, this._state, this._name, this._where, this._when, this._cost);
    this.node.setAttribute('role', 'option');
  }

  update(run: ISummary): void {
    const trans = this._trans;
    this.node.dataset.runId = run.id;
    this.node.dataset.state = run.state;
    setText(this._icon, run.icon);
    setText(this._state, `${stateWord(run.state, trans)}, `);
    setText(this._name, short(run.name || run.id));
    setText(this._where, whereWords(run));
    setText(this._when, whenWords(run, this._nowNs(), trans));
    setText(this._cost, costWords(run));
    this._cost.classList.toggle('jp-aicci-mod-budget', run.budget_note !== '');
    setTitle(this.node, runTitle(run, trans));
  }

  private readonly _icon = el('span', 'run-icon');
  private readonly _state = el('span', 'live');
  private readonly _name = el('bdi', 'row-name');
  private readonly _where = el('bdi', 'row-where');
  private readonly _when = el('span', 'row-when');
  private readonly _cost = el('span', 'row-money');
}
