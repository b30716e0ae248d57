/**
 * The numbers on top: a list, each value with what it means; a note stands where the pointer rests on it.
 */
import type { ITile } from '../protocol';
import { el, setText } from './dom';

export class Tiles {
  readonly node = el('ul', 'tiles');

  update(tiles: readonly ITile[]): void {
    while (this._tiles.length < tiles.length) {
      const [value, label] = [el('b', 'tile-value'), el('span', 'tile-label')];
      const place = { value, label, row: el('li', 'tile', value, ' ', label) };
      this._tiles.push(place);
      this.node.append(place.row);
    }
    for (const extra of this._tiles.splice(tiles.length)) {
      extra.row.remove();
    }
    tiles.forEach((tile, i) => {
      const place = this._tiles[i];
      if (place) {
        setText(place.label, tile.label);
        setText(place.value, tile.value);
        place.row.title = tile.note;
      }
    });
  }

  private readonly _tiles: { value: HTMLElement; label: HTMLElement; row: HTMLElement }[] = [];
}
