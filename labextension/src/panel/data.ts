/**
 * A line of the data sets: name, where it lies, how big it is, how many nodes have it at hand. A press mounts it in the next run.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { button, el, setText } from '../card/dom';
import type { IDataRow } from '../site/protocol';
import { setTitle, type IRow } from './rows';
import { cachedWords, short, sizeWords } from './words';

export class DataRow implements IRow<IDataRow> {
  readonly node: HTMLElement;

  constructor(
    use: (data: IDataRow) => void,
    private readonly _trans: TranslationBundle
  ) {
    this._press = button('row data-row', '', () => {
      if (this._data) {
        use(this._data);
      }
    });
    this._press.append(this._name, this._where, this._size, this._cached);
    this.node = el('li', 'row-place', this._press);
  }

  update(data: IDataRow): void {
    const trans = this._trans;
    const size = sizeWords(data, trans);
    this._data = data;
    setText(this._name, short(data.name));
    setText(this._where, short(data.uri));
    setText(this._size, size && `· ${size}`);
    setText(this._cached, cachedWords(data, trans));
    const last = data.used_by ? trans.__('last used by %1', data.used_by) : '';
    const words = [`${short(data.name)}=${short(data.uri)}`, size, last, trans.__('Press to mount it in the new run')];
    setTitle(this._press, words.filter(Boolean).join('\n'));
    this._press.classList.toggle('jp-aicci-mod-missing', !data.exists);
  }

  private _data: IDataRow | null = null;
  private readonly _press: HTMLButtonElement;
  private readonly _name = el('bdi', 'row-name');
  private readonly _where = el('bdi', 'row-where');
  private readonly _size = el('span', 'row-size');
  private readonly _cached = el('span', 'row-end');
}

/** The data set as an option's value: `NAME=URI`, with its mode where that is not the usual one. */
export function mountText({ name, uri, mode }: IDataRow): string {
  return mode && mode !== 'mount' ? `${name}=${uri}:${mode}` : `${name}=${uri}`;
}
