/**
 * What the panel asks of its surroundings, and what it has kept of them. No application, no command and no notebook is known here.
 */
import type { ReadonlyPartialJSONValue } from '@lumino/coreutils';

export interface IPanelActions {
  /** Show the run in a tab of its own. */
  open(id: string): void;
  /** Stop the run; asks first. */
  stop(id: string): void;
  copyId(id: string): void;
  /** A cell that begins with this line, below the active one; rejects with a word where there is no notebook. */
  insertCell(magic: string): Promise<void>;
  /** The path of a file of the Jupyter server that the person chooses; null for none. */
  chooseFile(): Promise<string | null>;
}

/** What the panel looks like the next time: folded sections by name, and whose runs are listed. */
export interface IKept {
  readonly folded: readonly string[];
  readonly whose: 'mine' | 'all';
}

/** Where that is kept between two visits. */
export interface IKeeper {
  fetch(): Promise<ReadonlyPartialJSONValue | undefined>;
  save(kept: IKept): void;
}

/** What was kept, as far as it can be understood: another version may have written it. */
export function parseKept(value: ReadonlyPartialJSONValue | undefined): IKept {
  const given = typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
  const { folded, whose } = given as Record<string, unknown>;
  return {
    folded: Array.isArray(folded) ? folded.filter(name => typeof name === 'string') : [],
    whose: whose === 'all' ? 'all' : 'mine'
  };
}
