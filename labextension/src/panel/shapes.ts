/**
 * A line of the shapes: name, how many are free of all, price an hour, and how long one would wait.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { el, setText } from '../card/dom';
import type { IShapeRow } from '../site/protocol';
import { Bar, setTitle, type IRow } from './rows';
import { priceTitle, priceWords, shapeWords, short, startWord } from './words';

export class ShapeRow implements IRow<IShapeRow> {
  readonly node: HTMLElement;

  constructor(private readonly _trans: TranslationBundle) {
    this.node = el('li', 'row shape-row', this._name, this._bar.node, this._free, this._price, this._wait);
  }

  update(shape: IShapeRow, nowNs: number): void {
    const trans = this._trans;
    setText(this._name, short(shape.name));
    setTitle(this._name, `${short(shape.name)}: ${shapeWords(shape, trans)}`);
    this._bar.update(shape.total ? shape.free / shape.total : 0, false);
    setText(this._free, `${shape.free}/${shape.total}`);
    setTitle(this._free, trans.__('%1 of %2 free', shape.free, shape.total));
    setText(this._price, priceWords(shape.price, trans));
    setTitle(this._price, priceTitle(shape.price, trans));
    setText(this._wait, shape.never ? trans.__('never') : startWord(shape.start_ns, nowNs, trans));
    setTitle(this._wait, shape.never);
    this.node.classList.toggle('jp-aicci-mod-never', shape.never !== '');
  }

  private readonly _name = el('bdi', 'row-name');
  private readonly _bar = new Bar();
  private readonly _free = el('span', 'number');
  private readonly _price = el('span', 'row-money');
  private readonly _wait = el('span', 'row-when');
}
