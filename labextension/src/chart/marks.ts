/**
 * Where each finding is marked: the same function as `jupyter_aicci.timeline.marks.marks`, tested with the same table.
 */
import type { IFinding, IPlace, Lane } from '../protocol';

export interface IMark {
  readonly number: number;
  readonly severity: string;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly numbered: boolean;
}

type Band = readonly [number, number];

const PAD_PX = 4;
const BADGE_PX = 8;
const LEAST_PX = 6;

/** The boxes of all findings; a finding none of whose lanes is there has none. */
export function marks(findings: readonly IFinding[], places: readonly IPlace[], lanes: readonly Lane[]): IMark[] {
  const byId = new Map(lanes.map(lane => [lane.id, lane]));
  const drawn = new Set(places.map(place => place.id));
  return findings.flatMap((finding, at) =>
    blocks(finding, places, byId, drawn).map(([top, bottom], block) => ({
      number: at + 1,
      severity: finding.severity,
      left: finding.from_s,
      right: finding.to_s,
      top,
      bottom,
      numbered: block === 0
    }))
  );
}

/** Where the number's middle lies, in pixels from the top. */
export function badgeY(mark: IMark): number {
  const thin = mark.bottom - mark.top < 2 * BADGE_PX + 2;
  return Math.max(thin ? (mark.top + mark.bottom) / 2 : mark.top + BADGE_PX + 1, BADGE_PX + 1);
}

/** The lane that shows this one: itself, or the one that it is folded into. */
function shownBy(id: string, lanes: ReadonlyMap<string, Lane>, drawn: ReadonlySet<string>): string {
  return !id || drawn.has(id) ? id : shownBy(lanes.get(id)?.parent ?? '', lanes, drawn);
}

function blocks(
  finding: IFinding,
  places: readonly IPlace[],
  lanes: ReadonlyMap<string, Lane>,
  drawn: ReadonlySet<string>
): Band[] {
  const marked = new Set(finding.lanes.map(id => shownBy(id, lanes, drawn)));
  const found: Band[] = [];
  let whole = false;
  let last = -2;
  places.forEach((place, at) => {
    if (!marked.has(place.id)) {
      return;
    }
    const rows = rowsOf(finding, place, lanes.get(place.id));
    const before = found.at(-1);
    if (!rows && whole && last === at - 1 && before) {
      found[found.length - 1] = [before[0], place.bottom];
    } else {
      found.push(rows ?? [place.top, place.bottom]);
    }
    whole = !rows;
    last = at;
  });
  return found;
}

/** The pixels of the finding's ranks in a strip of heat; null where all of the lane is meant. */
function rowsOf(finding: IFinding, place: IPlace, lane: Lane | undefined): Band | null {
  if (lane?.kind !== 'heat' || !finding.ranks.length) {
    return null;
  }
  const at = lane.rows.flatMap((rank, row) => (finding.ranks.includes(rank) ? [row] : []));
  const [from, to] = [at[0], at.at(-1)];
  if (from === undefined || to === undefined || at.length === lane.rows.length) {
    return null;
  }
  const [top, bottom] = [place.top + PAD_PX, place.bottom - PAD_PX];
  const rowPx = (bottom - top) / lane.rows.length;
  const [first, last] = [top + from * rowPx, top + (to + 1) * rowPx];
  const spare = Math.max(0, LEAST_PX - (last - first)) / 2;
  return [first - spare, last + spare];
}
