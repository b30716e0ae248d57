/**
 * One model a run, however many cards show it: the first lease connects, the last one to go disconnects.
 */
import { DisposableDelegate, type IDisposable } from '@lumino/disposable';

import { RunModel, type IRunApi } from './model';

/** A share in a run's model; dispose it when the card goes. */
export interface IRunLease extends IDisposable {
  readonly model: RunModel;
}

export class Runs {
  constructor(private readonly _api: IRunApi) {}

  /** A share in the model of the run with this id. */
  lease(id: string): IRunLease {
    const entry = this._entries.get(id) ?? this._open(id);
    entry.leases += 1;
    const release = new DisposableDelegate(() => this._release(id, entry));
    return Object.assign(release, { model: entry.model });
  }

  private _open(id: string): IEntry {
    const entry = { model: new RunModel(id, this._api), leases: 0 };
    this._entries.set(id, entry);
    void entry.model.follow();
    return entry;
  }

  private _release(id: string, entry: IEntry): void {
    entry.leases -= 1;
    if (entry.leases === 0) {
      this._entries.delete(id);
      entry.model.dispose();
    }
  }

  private readonly _entries = new Map<string, IEntry>();
}

interface IEntry {
  readonly model: RunModel;
  leases: number;
}
