/**
 * A site and what changed of it make the next site; rows that did not change are the same objects, so that lists can skip them.
 *
 * Pure. Runs stay newest first, as the service sends them.
 */
import type { ISummary } from '../protocol';
import type { ISite, ISiteDelta } from './protocol';

export function mergeSite(site: ISite, delta: ISiteDelta): ISite {
  return {
    ...site,
    now_ns: delta.now_ns,
    status: delta.status ?? site.status,
    runs: mergeRuns(site.runs, delta.runs ?? [], delta.gone ?? []),
    more_runs: delta.more_runs ?? site.more_runs,
    shapes: delta.shapes ?? site.shapes,
    queues: delta.queues ?? site.queues,
    data: delta.data ?? site.data
  };
}

function mergeRuns(
  known: readonly ISummary[],
  changed: readonly ISummary[],
  gone: readonly string[]
): readonly ISummary[] {
  if (!changed.length && !gone.length) {
    return known;
  }
  const fresh = new Map(changed.map(run => [run.id, run]));
  const lost = new Set(gone);
  const kept = known.filter(run => !lost.has(run.id)).map(run => take(fresh, run.id) ?? run);
  return fresh.size ? [...fresh.values(), ...kept].sort(newestFirst) : kept;
}

/** The row of this id, which is then no longer in the map. */
function take(rows: Map<string, ISummary>, id: string): ISummary | undefined {
  const row = rows.get(id);
  rows.delete(id);
  return row;
}

function newestFirst(one: ISummary, other: ISummary): number {
  const [a, b] = [one.submitted_at ?? '', other.submitted_at ?? ''];
  return a === b ? (one.id < other.id ? 1 : -1) : a < b ? 1 : -1;
}
