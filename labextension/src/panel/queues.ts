/**
 * A line of the queues: name, and of the resource that bounds it first what is used, deserved and the limit.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { el, setText } from '../card/dom';
import type { IQueueRow } from '../site/protocol';
import { Bar, setTitle, type IRow } from './rows';
import { amountWords, fill, mainResource, resourceWord, short } from './words';

export class QueueRow implements IRow<IQueueRow> {
  readonly node: HTMLElement;

  constructor(private readonly _trans: TranslationBundle) {
    this.node = el('li', 'row queue-row', this._name, this._bar.node, this._numbers, this._unit);
  }

  update(queue: IQueueRow): void {
    const trans = this._trans;
    const resource = mainResource(queue);
    const [used, deserved, limit] = [queue.used, queue.deserved, queue.limit].map(each => amountWords(each, resource));
    const over = (queue.used[resource] ?? 0) > (queue.deserved[resource] ?? Infinity);
    const unit = resourceWord(resource, trans);
    setText(this._name, short(queue.name));
    this._bar.update(fill(queue, resource), over);
    setText(this._numbers, `${used === '–' ? '0' : (used ?? '')} · ${deserved ?? ''} · ${limit ?? ''}`);
    setText(this._unit, unit);
    const words = trans.__('%1: %2 running, %3 waiting', short(queue.name), queue.running, queue.queued);
    setTitle(this.node, over ? `${words}\n${trans.__('uses more than it deserves')}` : words);
  }

  private readonly _name = el('bdi', 'row-name');
  private readonly _bar = new Bar();
  private readonly _numbers = el('span', 'row-end number');
  private readonly _unit = el('span', 'row-unit');
}
