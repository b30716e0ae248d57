/**
 * The numbers on top: a description list, value first on the screen.
 */
import type { ITile } from '../protocol';
import { el, setText } from './dom';

export class Tiles {
  readonly node = el('dl', 'tiles');

  update(tiles: readonly ITile[]): void {
    while (this._tiles.length < tiles.length) {
      const tile = { label: el('dt', 'tile-label'), value: el('dd', 'tile-value') };
      this._tiles.push(tile);
      this.node.append(el('div', 'tile', tile.label, tile.value));
    }
    tiles.forEach((tile, i) => {
      const place = this._tiles[i];
      if (place) {
        setText(place.label, tile.label);
        setText(place.value, tile.value);
      }
    });
  }

  private readonly _tiles: { label: HTMLElement; value: HTMLElement }[] = [];
}
