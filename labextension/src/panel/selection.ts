/**
 * Which row of a list is the current one, through every change of the list. Pure.
 *
 * Rule: a row that goes hands over to the one that takes its place, so that Delete pressed again means the next one.
 */

/** The place to which a key moves; null for a key that moves nothing. */
export function moved(key: string, at: number, count: number, page: number): number | null {
  const places: Record<string, number> = {
    ArrowDown: at + 1,
    ArrowUp: at - 1,
    PageDown: at + page,
    PageUp: at - page,
    Home: 0,
    End: count - 1
  };
  const to = Object.hasOwn(places, key) ? places[key] : undefined;
  return to === undefined ? null : Math.max(0, Math.min(count - 1, to));
}

/** The current id after the list has changed; '' where none is left, or none was. */
export function kept(current: string, before: readonly string[], after: readonly string[]): string {
  if (!current || after.includes(current)) {
    return current;
  }
  const at = before.indexOf(current);
  const there = new Set(after);
  const next = before.slice(at + 1).find(id => there.has(id));
  return next ?? after.at(-1) ?? '';
}
