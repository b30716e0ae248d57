/**
 * The log of a rank with the whole page for it: choose rank and attempt, search, filter, follow, jump to the traceback, download.
 *
 * What a rank prints goes in as text nodes, one element a line, each with its own direction of writing. Keys: Enter and F3 go to the
 * next line that matches, with Shift to the one before. Following is on until the reader scrolls up.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';

import { button, el, setText } from '../card/dom';
import type { IView } from '../protocol';
import type { RunModel } from '../runs/model';
import { shownPart } from './cut';
import { LineList } from './list';
import { LogReader } from './reader';
import { Search } from './search';

const TRACEBACK = 'Traceback (most recent call last)';
/** Scrolled so near to the beginning, the rest is read. */
const NEAR_LINES = 20;

export class LogView implements IDisposable {
  readonly node: HTMLElement;

  constructor(
    private readonly _model: RunModel,
    private readonly _trans: TranslationBundle,
    private readonly _save: (file: Promise<Blob>, name: string) => void
  ) {
    const trans = _trans;
    this._ranks.setAttribute('aria-label', trans.__('Rank whose log is shown'));
    this._attempts.setAttribute('aria-label', trans.__('Attempt whose log is shown'));
    for (const select of [this._ranks, this._attempts]) {
      select.addEventListener('change', () => this._begin());
    }
    this._words.type = 'search';
    this._words.placeholder = trans.__('Search the log');
    this._words.setAttribute('aria-label', trans.__('Search the log'));
    this._words.addEventListener('input', () => this._find());
    this._found.setAttribute('role', 'status');
    this._only = this._toggle(trans.__('Only matching lines'), () => this._filter());
    this._follow = this._toggle(trans.__('Follow'), () => this._setFollow(!this._follows));
    this._trace = button('button', trans.__('Traceback'), () => this._toTraceback());
    this._trace.title = trans.__('Show the last traceback');
    this._list.node.setAttribute('aria-label', trans.__('Lines of the log'));
    this.node = el('section', 'log log-view', this._bar(), this._list.node);
    this.node.setAttribute('aria-label', trans.__('Log'));
    this.node.setAttribute('data-lm-suppress-shortcuts', 'true'); // the notebook has its own meaning for these keys
    this.node.addEventListener('keydown', event => this._onKey(event));
    this._setFollow(true);
    this._resized.observe(this._list.node);
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  update({ run }: IView): void {
    fill(this._ranks, 0, Math.max(run.world_size, 1), rank => this._trans.__('rank %1', rank));
    const before = this._attempts.length;
    fill(this._attempts, 1, Math.max(run.attempt, 1), attempt => this._trans.__('attempt %1', attempt));
    this._attempts.hidden = this._attempts.length < 2;
    const wasLatest = before === 0 || Number(this._attempts.value) === before;
    if (this._attempts.length > before && wasLatest) {
      this._attempts.value = String(this._attempts.length);
      this._begin();
    }
  }

  /** Show this rank's log at its last traceback, if it has one. */
  open(rank: number): void {
    this._ranks.value = String(rank);
    this._begin();
    this._isTraceWanted = true;
    this.node.scrollIntoView({ block: 'nearest' });
    this._list.node.focus({ preventScroll: true });
  }

  dispose(): void {
    this._isDisposed = true;
    this._reader?.dispose();
    this._resized.disconnect();
    clearTimeout(this._scanning);
  }

  private _bar(): HTMLElement {
    const trans = this._trans;
    const before = button('button', '↑', () => this._step(-1));
    const after = button('button', '↓', () => this._step(1));
    before.setAttribute('aria-label', (before.title = trans.__('Previous match')));
    after.setAttribute('aria-label', (after.title = trans.__('Next match')));
    const download = button('button', trans.__('Download'), () => this._download());
    download.title = trans.__('The whole log of this rank');
    const where = [el('b', '', trans.__('Log')), this._ranks, this._attempts];
    const search = [this._words, before, after, this._only, this._found];
    return el('div', 'log-bar', ...where, ...search, el('span', 'log-end', this._trace, this._follow, download));
  }

  private _toggle(label: string, press: () => void): HTMLButtonElement {
    const toggle = button('button toggle', label, press);
    toggle.setAttribute('aria-pressed', 'false');
    return toggle;
  }

  /** Another log: all about it anew, but for what is searched. */
  private _begin(): void {
    this._reader?.dispose();
    this._isTraceWanted = false;
    this._traces = new Search(TRACEBACK);
    this._at = null;
    const attempt = Number(this._attempts.value || 1);
    this._reader = new LogReader(this._model, Number(this._ranks.value || 0), attempt, () => this._onText());
    this._setFollow(true);
    this._find();
  }

  private _onText(): void {
    if (!this._isDisposed) {
      this._scan();
    }
  }

  /** What was typed is searched: in the whole log. */
  private _find(): void {
    const words = this._words.value;
    this._search = words ? new Search(words) : null;
    this._at = null;
    if (words) {
      this._reader?.readWhole();
    } else {
      this._only.setAttribute('aria-pressed', 'false');
    }
    this._only.disabled = !words;
    this._scan();
  }

  /** Look at the next lines, and again until all were looked at. */
  private _scan(): void {
    clearTimeout(this._scanning);
    const text = this._reader?.text;
    if (text) {
      const searches = [this._traces, ...(this._search ? [this._search] : [])];
      const done = searches.map(search => search.scan(text)).every(Boolean);
      if (!done) {
        this._scanning = window.setTimeout(() => this._scan());
      }
      this._show(done);
    }
  }

  private _show(isScanned: boolean): void {
    const { _reader: reader, _search: search } = this;
    if (!reader) {
      return;
    }
    const isAnother = reader.text !== this._shown;
    const fromEnd = isAnother && this._shown ? this._shown.count - this._list.first : 0;
    this._shown = reader.text;
    this._list.show(this._rows);
    if (this._follows) {
      this._list.toEnd();
    } else if (fromEnd > 0 && !this._isFiltered) {
      this._list.scrollTo(reader.text.count - fromEnd); // what was read before lies above it now
    }
    this._trace.hidden = this._traces.hits.length === 0;
    setText(this._found, this._foundWords(search, reader.share));
    if (this._isTraceWanted && isScanned && this._traces.hits.length) {
      this._toTraceback();
    }
  }

  /** `3 of 17 lines`; `reading 34 %` while the rest of the log comes. */
  private _foundWords(search: Search | null, share: number | null): string {
    const trans = this._trans;
    const words: string[] = this._reader?.text.count === 0 ? [trans.__('Nothing is printed yet.')] : [];
    if (search) {
      words.push(hitWords(search.hits.length, this._at, trans));
    }
    if (share !== null) {
      words.push(trans.__('reading %1 %', Math.floor(100 * share)));
    }
    return words.join(' · ');
  }

  private get _isFiltered(): boolean {
    return this._search !== null && this._only.getAttribute('aria-pressed') === 'true';
  }

  private get _rows(): number {
    return this._isFiltered ? (this._search?.hits.length ?? 0) : (this._reader?.text.count ?? 0);
  }

  /** The row's line with what was searched marked in it. */
  private _drawRow(row: number, element: HTMLElement): void {
    const search = this._search;
    const at = this._isFiltered ? (search?.hits[row] ?? 0) : row;
    const line = this._reader?.text.line(at) ?? '';
    const isCurrent = this._at !== null && search?.hits[this._at] === at;
    const first = search?.within(line)[0]?.[0] ?? 0;
    const part = shownPart(line, first, this._trans);
    const parts: (Node | string)[] = [];
    let end = 0;
    for (const [from, to] of search?.within(part) ?? []) {
      parts.push(part.slice(end, from), el('mark', 'match', part.slice(from, to)));
      end = to;
    }
    element.replaceChildren(...parts, part.slice(end));
    element.classList.toggle('jp-aicci-mod-current', isCurrent);
  }

  private _filter(): void {
    const on = !this._isFiltered;
    this._only.setAttribute('aria-pressed', String(on));
    this._scan();
    const line = this._at === null ? undefined : this._search?.hits[this._at];
    if (line !== undefined && !this._follows) {
      this._list.reveal(on ? (this._at ?? 0) : line);
    }
  }

  /** To the next line that matches, or the one before; around at the ends. */
  private _step(step: 1 | -1): void {
    const count = this._search?.hits.length ?? 0;
    if (!this._search || !count) {
      return;
    }
    const seen = this._isFiltered ? this._list.first : this._search.from(this._list.first);
    this._at = this._at === null ? seen % count : (this._at + step + count) % count;
    this._setFollow(false);
    this._list.reveal(this._isFiltered ? this._at : (this._search.hits[this._at] ?? 0));
    setText(this._found, this._foundWords(this._search, this._reader?.share ?? null));
  }

  private _toTraceback(): void {
    const last = this._traces.hits.at(-1);
    if (last !== undefined) {
      this._isTraceWanted = false;
      this._setFollow(false);
      this._only.setAttribute('aria-pressed', 'false');
      this._list.show(this._rows);
      this._list.scrollTo(last);
      this.node.scrollIntoView({ block: 'nearest' });
    }
  }

  private _onScroll(): void {
    if (this._follows && !this._list.isAtEnd) {
      this._setFollow(false);
    }
    if (this._list.first < NEAR_LINES && !this._follows) {
      this._reader?.readWhole();
    }
  }

  private _setFollow(on: boolean): void {
    this._follows = on;
    this._follow.setAttribute('aria-pressed', String(on));
    this._follow.title = on
      ? this._trans.__('The newest line stays in sight; scroll up to stop')
      : this._trans.__('Off: press to keep the newest line in sight');
    if (on) {
      this._list.toEnd();
    }
  }

  private _download(): void {
    const { rank, attempt } = this._reader ?? { rank: 0, attempt: 1 };
    const file = this._model.api.log(this._model.id, { rank, attempt }, this._model.signal);
    this._save(file, `${this._model.id}.rank-${rank}.log`);
  }

  private _onKey(event: KeyboardEvent): void {
    const isEnter = event.key === 'Enter' && event.target === this._words;
    if (isEnter || event.key === 'F3') {
      event.preventDefault();
      event.stopPropagation();
      this._step(event.shiftKey ? -1 : 1);
    }
  }

  private _reader: LogReader | null = null;
  private _shown: LogReader['text'] | null = null;
  private _search: Search | null = null;
  private _traces = new Search(TRACEBACK);
  private _at: number | null = null; // in the search's hits
  private _follows = true;
  private _isTraceWanted = false;
  private _isDisposed = false;
  private _scanning = 0;
  private readonly _ranks = el('select', 'select');
  private readonly _attempts = el('select', 'select');
  private readonly _words = el('input', 'input');
  private readonly _found = el('span', 'log-found');
  private readonly _only: HTMLButtonElement;
  private readonly _follow: HTMLButtonElement;
  private readonly _trace: HTMLButtonElement;
  private readonly _list = new LineList(
    (row, element) => this._drawRow(row, element),
    () => this._onScroll()
  );
  private readonly _resized = new ResizeObserver(() => this._list.show(this._rows));
}

/** `3 of 17 lines`, `lines that match: 17`, `no line matches`. */
function hitWords(count: number, at: number | null, trans: TranslationBundle): string {
  if (count === 0) {
    return trans.__('no line matches');
  }
  return at === null ? trans.__('lines that match: %1', count) : trans.__('%1 of %2 lines', at + 1, count);
}

/** Options for the numbers from `first` to before `first + count`; what is chosen stays. */
function fill(select: HTMLSelectElement, first: number, count: number, name: (number: number) => string): void {
  for (let at = select.length; at < count; at++) {
    const option = el('option', '', name(first + at));
    option.value = String(first + at);
    select.append(option);
  }
}
