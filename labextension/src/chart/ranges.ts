/**
 * Where a lane's curve lies: the same function as `jupyter_aicci.timeline.lanes.lane_range`, tested with the same table.
 */

/** [start, end] of the y range that draws lo..hi within `band` ([top, bottom], px) of a frame `total` px high. */
export function laneRange(lo: number, hi: number, band: readonly [number, number], total: number): [number, number] {
  if (hi <= lo) {
    const half = Math.max(Math.abs(lo) / 20, 1e-9);
    [lo, hi] = [lo - half, lo + half];
  }
  const [top, bottom] = band;
  const perPx = (hi - lo) / (bottom - top);
  return [hi - perPx * (total - top), hi + perPx * top];
}
