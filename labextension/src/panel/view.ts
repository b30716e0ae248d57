/**
 * The panel: what one can launch, what there is to launch it on, and what runs, kept current from the site's model.
 *
 * Framework-free, as the card is. Rule 1: nothing is asked before the panel is shown first, and nothing drawn while nobody sees it.
 * Rule 2: what was shown stays when the connection is lost, with a word on it; what was typed stays whatever happens.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';

import { button, el, setText } from '../card/dom';
import { clock } from '../card/words';
import type { IDataRow, IQueueRow, IShapeRow, ISite } from '../site/protocol';
import { hasEnded } from '../runs/merge';
import { NO_SOCKET, siteOf, type ISiteModel, type SiteState } from '../site/model';
import { parseKept, type IKeeper, type IPanelActions } from './actions';
import { DataRow } from './data';
import { LaunchForm } from './form';
import { QueueRow } from './queues';
import { Rows } from './rows';
import { RunsList } from './runs';
import { Section } from './section';
import { ShapeRow } from './shapes';
import { short } from './words';

const TICK_MS = 1_000;
const FORM = 'new-run';

export class PanelView implements IDisposable {
  readonly node = el('div', 'panel');

  constructor(
    private readonly _model: ISiteModel,
    private readonly _actions: IPanelActions,
    private readonly _keeper: IKeeper,
    private readonly _trans: TranslationBundle
  ) {
    const nowNs = (): number => _model.nowNs;
    const keep = (): void => this._keep();
    this._form = new LaunchForm(_model.api, _actions, nowNs, _trans);
    this._runs = new RunsList(
      { open: id => _actions.open(id), copyId: id => this._copy(id), stop: id => this._stop(id), chosen: keep },
      nowNs,
      _trans
    );
    this._shapes = new Rows(
      {
        label: this._trans.__('Shapes'),
        empty: this._trans.__('This machine offers no shape. “aicci service status” in a terminal tells more.')
      },
      shape => shape.name,
      () => new ShapeRow(_trans)
    );
    this._queues = new Rows(
      { label: this._trans.__('Queues'), empty: this._trans.__('No queue is set up. Runs wait in “default”.') },
      queue => queue.name,
      () => new QueueRow(_trans)
    );
    this._data = new Rows(
      {
        label: this._trans.__('Data'),
        empty: this._trans.__('No run has used a data set yet. Add one to a new run as NAME=PATH.')
      },
      data => `${data.name}\n${data.uri}`,
      () => new DataRow(data => this._mount(data), _trans)
    );
    this._sections = this._makeSections(keep);
    this._again = button('button', this._trans.__('Try again'), () => _model.retry());
    this._banner = el('div', 'banner', this._bannerWords, this._again);
    this._bannerWords.setAttribute('role', 'status');
    this._said.setAttribute('role', 'status');
    this._body = el('div', 'panel-body', ...this._sections.map(section => section.node));
    this.node.append(this._banner, this._body, this._said);
    _model.changed.connect((_, state) => this._onState(state), this);
  }

  get isDisposed(): boolean {
    return this._form.isDisposed;
  }

  dispose(): void {
    if (!this.isDisposed) {
      this.hide();
      this._form.dispose();
      Signal.clearData(this);
      this.node.remove();
    }
  }

  /** Somebody looks at it. */
  show(): void {
    this._model.open();
    void this._restore();
    void this._learnRights();
    clearInterval(this._ticking);
    this._ticking = setInterval(() => this._tick(), TICK_MS);
    this._isShown = true;
    this._onState(this._model.state);
  }

  /** Nobody looks at it any more. */
  hide(): void {
    clearInterval(this._ticking);
    this._isShown = false;
  }

  /** Go to the form, unfolded. */
  focusForm(): void {
    this._unfoldForm();
    this._form.focus();
  }

  private _onState(state: SiteState): void {
    if (state.kind !== this._kind) {
      this._kind = state.kind;
      this._sinceMs = performance.now();
    }
    if (this._isShown) {
      this._draw(state);
    }
  }

  private _draw(state: SiteState): void {
    this.node.dataset.connection = state.kind;
    this._body.hidden = !('site' in state);
    this._showBanner(state);
    if ('site' in state) {
      void this._form.load(this._model.signal);
      this._form.update(state.site);
      this._runs.update(state.site);
      this._showLists(state.site);
    }
    this._tick();
  }

  private _showLists({ shapes, queues, data }: ISite): void {
    const { nowNs } = this._model;
    this._shapes.update(shapes, nowNs);
    this._queues.update(queues, nowNs);
    this._data.update(data, nowNs);
  }

  /** Another second has passed; with news it is drawn together with them, so that the page is not drawn once more for it. */
  private _tick(): void {
    const { state } = this._model;
    const now = performance.now();
    if (document.hidden || now - this._tickedMs < 0.9 * TICK_MS) {
      return;
    }
    this._tickedMs = now;
    this._showBanner(state);
    if ('site' in state) {
      this._runs.tick();
      this._form.tick();
      this._showLists(state.site);
    }
  }

  /** What is the matter with the service, in words, and what one can do. */
  private _showBanner(state: SiteState): void {
    const trans = this._trans;
    const since = clock((performance.now() - this._sinceMs) / 1e3);
    const words: Record<SiteState['kind'], string> = {
      live: '',
      loading: trans.__('Connecting to the service…'),
      interrupted: trans.__('Connection lost %1 ago, trying again…', since),
      down: 'message' in state ? [reasonOf(state.message, trans), state.hint].filter(Boolean).join('\n') : ''
    };
    setText(this._bannerWords, words[state.kind]);
    this._banner.title = state.kind === 'interrupted' ? [state.message, state.hint].filter(Boolean).join('\n') : '';
    this._banner.hidden = state.kind === 'live';
    this._again.hidden = state.kind === 'loading';
  }

  private _makeSections(keep: () => void): readonly Section[] {
    const trans = this._trans;
    const made: readonly (readonly [string, string, Node | string, Node])[] = [
      [FORM, trans.__('New run'), '', this._form.node],
      ['shapes', trans.__('Shapes'), trans.__('free · price/h · wait'), this._shapes.node],
      ['runs', trans.__('Runs'), this._runs.whoseSelect, this._runs.node],
      ['queues', trans.__('Queues'), trans.__('used · deserved · limit'), this._queues.node],
      ['data', trans.__('Data'), trans.__('cached'), this._data.node]
    ];
    return made.map(([name, title, tail, body]) => {
      const section = new Section(name, title, tail, keep);
      section.body.append(body);
      return section;
    });
  }

  private _copy(id: string): void {
    this._actions.copyId(id);
    setText(this._said, this._trans.__('Copied %1', id));
  }

  private _stop(id: string): void {
    const trans = this._trans;
    const run = siteOf(this._model.state)?.runs.find(each => each.id === id);
    if (!this._mayStop) {
      setText(this._said, trans.__('You may look, but not stop runs: this server gives you read access only.'));
    } else if (run && hasEnded(run.state)) {
      setText(this._said, trans.__('%1 has ended already.', short(run.name || id)));
    } else {
      this._actions.stop(id);
    }
  }

  /** Into the form, where one sees it. */
  private _mount(data: IDataRow): void {
    this._unfoldForm();
    this._form.mount(data);
    setText(this._said, this._trans.__('%1 is mounted in the new run.', short(data.name)));
  }

  private _unfoldForm(): void {
    this._sections.filter(section => section.name === FORM).forEach(section => (section.folded = false));
  }

  private async _learnRights(): Promise<void> {
    try {
      const rights = await this._model.api.rights(this._model.signal);
      this._form.allow(rights);
      this._mayStop = rights.stop;
    } catch {
      // the server refuses what is not allowed, whatever is offered here
    }
  }

  private async _restore(): Promise<void> {
    if (this._restored) {
      return;
    }
    this._restored = true;
    const kept = parseKept(await this._keeper.fetch().catch(() => undefined));
    this._sections.forEach(section => (section.folded = kept.folded.includes(section.name)));
    this._runs.whose = kept.whose;
  }

  private _keep(): void {
    const folded = this._sections.filter(section => section.folded).map(section => section.name);
    this._keeper.save({ folded, whose: this._runs.whose });
  }

  private _kind: SiteState['kind'] = 'loading';
  private _sinceMs = performance.now();
  private _isShown = false;
  private _tickedMs = -Infinity;
  private _restored = false;
  private _mayStop = true;
  private _ticking: ReturnType<typeof setInterval> | undefined;
  private readonly _bannerWords = el('p', 'banner-words');
  private readonly _said = el('p', 'live');
  private readonly _again: HTMLButtonElement;
  private readonly _form: LaunchForm;
  private readonly _runs: RunsList;
  private readonly _shapes: Rows<IShapeRow>;
  private readonly _queues: Rows<IQueueRow>;
  private readonly _data: Rows<IDataRow>;
  private readonly _sections: readonly Section[];
  private readonly _banner: HTMLElement;
  private readonly _body: HTMLElement;
}

/** What a connection that never opened is told by. */
function reasonOf(message: string, trans: TranslationBundle): string {
  return message === NO_SOCKET
    ? trans.__(
        'The Jupyter server answers, but no WebSocket opens: a proxy may not let it through, or an older service runs.'
      )
    : message;
}
