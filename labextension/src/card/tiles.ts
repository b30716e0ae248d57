/**
 * The numbers on top: a list, each value with what it means.
 */
import type { ITile } from '../protocol';
import { el, setText } from './dom';

export class Tiles {
  readonly node = el('ul', 'tiles');

  update(tiles: readonly ITile[]): void {
    while (this._tiles.length < tiles.length) {
      const tile = { value: el('b', 'tile-value'), label: el('span', 'tile-label') };
      this._tiles.push(tile);
      this.node.append(el('li', 'tile', tile.value, ' ', tile.label));
    }
    for (const extra of this._tiles.splice(tiles.length)) {
      extra.value.parentElement?.remove();
    }
    tiles.forEach((tile, i) => {
      const place = this._tiles[i];
      if (place) {
        setText(place.label, tile.label);
        setText(place.value, tile.value);
      }
    });
  }

  private readonly _tiles: { value: HTMLElement; label: HTMLElement }[] = [];
}
