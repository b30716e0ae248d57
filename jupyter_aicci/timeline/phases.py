"""The bar of a node: which phase it was in, when; from the journal's facts and the ranks' frames.

A `Track` is one rank's phases, fed frame by frame. A node's bar is what most of its ranks are in; around it stand the
facts of the journal: queued until placed, starting until the first rank says otherwise, lost or failed from the first
exit that was not our doing. Data wait is also read from the steps' records: a step that waited for data longer than
`DATA_WAIT_SHARE` of its time is one, whole.
Rule: spans ascend and are fewer than `MOST_SPANS`; they touch but where the record is damaged (`lost`); an open span ends at now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from jupyter_aicci.model.run import Attempt, Run
from jupyter_aicci.model.states import State
from jupyter_aicci.model.text import NS
from jupyter_aicci.timeline.lanes import PhaseLane, Span
from jupyter_aicci.timeline.lost import UNKNOWN, Gap, Lost

DATA_WAIT_SHARE = 0.15
MOST_SPANS = 2000
MOST_RANK_SPANS = 300  # of a lane that stands under another
MOST_CHANGES = 1000  # of one rank; beyond it the short ones are merged: a bar has fewer pixels

WORKING = ("compute", "redone", "data_wait")  # what a record of steps may repaint

Stretch = tuple[int, int, str]  # from_ns, to_ns, phase


class Track:
    """One rank's phases in one attempt; `done` closes it."""

    __slots__ = ("lost", "names", "redo_until", "said", "times")

    def __init__(self, redo_until: int) -> None:
        self.times: list[int] = []
        self.names: list[str] = []
        self.said = ""  # the last phase frame, before steps repaint it
        self.redo_until = redo_until  # highest step that an earlier attempt reached, -1 = none
        self.lost = Lost()

    def phase(self, time_ns: int, name: str) -> None:
        """A phase frame: from now on."""
        self.lost.heard(time_ns)
        self.said = "ending" if name == "done" else name
        self._change(time_ns, self._working() if self.said == "compute" else self.said)

    def record(self, from_ns: int, to_ns: int, step: int, wait_ns: int) -> None:
        """A record of a step, or of several, from `from_ns` to `to_ns`: what that time was."""
        self.lost.heard(from_ns)
        if not self.times or self.said in ("", "starting"):
            self.said = "compute"  # a program that names no phases, but steps
            self._change(from_ns, self._working())
        redone = step <= self.redo_until
        if not redone:
            self.redo_until = -1
        if self.said == "compute" and to_ns > from_ns:
            waited = wait_ns > DATA_WAIT_SHARE * (to_ns - from_ns)
            self._repaint(from_ns, "data_wait" if waited else "redone" if redone else "compute")

    def end(self, time_ns: int) -> None:
        """The rank's process has ended."""
        self.lost.heard(time_ns)
        self.said = "ending"
        self._change(time_ns, "ending")

    def lose(self, gap: Gap) -> None:
        """What the rank told is damaged."""
        self.lost.lose(gap)
        if gap.hides("told"):
            self.said = ""

    def changes(self) -> Iterable[tuple[int, str]]:
        """From when on it was in which phase, `UNKNOWN` where nobody knows."""
        return zip(*self.lost.over(self.times, self.names), strict=True)

    def _working(self) -> str:
        return "redone" if self.redo_until >= 0 else "compute"

    def _change(self, time_ns: int, name: str) -> None:
        if not self.names:
            self.times.append(time_ns)
            self.names.append(name)
            return
        if self.names[-1] == name:
            return
        time_ns = max(time_ns, self.times[-1])
        if self.times[-1] == time_ns:
            self._replace_tail(name)
            return
        self.times.append(time_ns)
        self.names.append(name)
        if len(self.times) > MOST_CHANGES:
            self._shorten()

    def _repaint(self, since_ns: int, name: str) -> None:
        """Make the open stretch since `since_ns` (or since its start, when later) `name`."""
        if self.names[-1] not in WORKING or self.names[-1] == name:
            return
        if self.times[-1] < since_ns:
            self._change(since_ns, name)
        else:
            self._replace_tail(name)

    def _replace_tail(self, name: str) -> None:
        if len(self.names) > 1 and self.names[-2] == name:
            self.times.pop()
            self.names.pop()
        else:
            self.names[-1] = name

    def _shorten(self) -> None:
        ends = [*self.times[1:], self.times[-1]]
        kept = bounded(list(zip(self.times, ends, self.names, strict=True)), MOST_CHANGES // 2)
        self.times = [stretch[0] for stretch in kept]
        self.names = [stretch[2] for stretch in kept]


Tracks = Mapping[int, Mapping[int, Track]]  # of one node: attempt -> rank -> track


def node_count(run: Run) -> int:
    """How many bars the run has; a run that was never placed has as many as it starts with at least."""
    least = run.spec.min_nodes or run.spec.nodes
    return max((len(attempt.placement.nodes) for attempt in run.attempts), default=least)


def phase_lane(run: Run, node: int, tracks: Tracks, now_ns: int, *, folded: bool = False) -> PhaseLane:
    """The lane of one node."""
    spans = _spans(run, node_stretches(run, node, tracks, now_ns), MOST_SPANS - 1)
    hosts = [place.host for attempt in run.attempts for place in attempt.placement.nodes if place.index == node]
    return PhaseLane(
        id=f"node-{node}", name=f"node {node}", note=hosts[-1] if hosts else "", spans=spans, folded=folded
    )


def rank_lane(run: Run, node: int, rank: int, tracks: Tracks, now_ns: int) -> PhaseLane:
    """The lane of one rank, under its node's."""
    own = {number: {rank: by_rank[rank]} for number, by_rank in tracks.items() if rank in by_rank}
    spans = _spans(run, node_stretches(run, node, own, now_ns), MOST_RANK_SPANS)
    return PhaseLane(id=f"rank-{rank}", name=f"rank {rank}", note="", spans=spans, parent=f"node-{node}")


def _spans(run: Run, stretches: list[Stretch], limit: int) -> tuple[Span, ...]:
    origin_ns = run.submitted_ns
    return tuple(
        Span(t0_s=(from_ns - origin_ns) / NS, t1_s=(to_ns - origin_ns) / NS, phase=phase)
        for from_ns, to_ns, phase in bounded(merged(stretches), limit)
        if phase != UNKNOWN
    )


def node_stretches(run: Run, node: int, tracks: Tracks, now_ns: int) -> list[Stretch]:
    """The node's life from submission to its release, or to now."""
    out: list[Stretch] = []
    end_ns = run.ended_ns or now_ns
    free_since_ns = run.submitted_ns
    for attempt in run.attempts:
        if all(place.index != node for place in attempt.placement.nodes):
            continue
        placed_ns = max(free_since_ns, attempt.placed_ns)
        until_ns = max(placed_ns, attempt.released.get(node) or attempt.ended_ns or end_ns)
        out.append((free_since_ns, placed_ns, "queued"))
        out += _attempt_stretches(run, attempt, tracks.get(attempt.number, {}), placed_ns, until_ns)
        free_since_ns = until_ns
    if not run.attempts or (not run.ended and not run.holds_nodes):
        out.append((free_since_ns, max(free_since_ns, end_ns), "queued"))
    return out


def _attempt_stretches(
    run: Run, attempt: Attempt, by_rank: Mapping[int, Track], placed_ns: int, until_ns: int
) -> list[Stretch]:
    fault = _fault(run, attempt)
    fault_ns = min(until_ns, max(placed_ns, fault[0])) if fault else until_ns
    tracks = [by_rank[rank] for rank in sorted(by_rank)]
    out = majority(tracks, placed_ns, fault_ns)
    if not tracks and attempt.running_ns:  # a program that tells nothing: the journal knows that it runs
        running_ns = min(max(attempt.running_ns, placed_ns), fault_ns)
        out = [(placed_ns, running_ns, "starting"), (running_ns, fault_ns, "compute")]
    return [*out, (fault_ns, until_ns, fault[1])] if fault else out


def _fault(run: Run, attempt: Attempt) -> tuple[int, str] | None:
    """When the attempt broke, and whether that ended the run."""
    last = attempt is run.attempts[-1]
    if last and run.state not in (State.FAILED, State.LOST, State.QUEUED):
        return None
    bad = [e.time_ns for e in attempt.exits.values() if (e.code or e.signal) and not e.by_us]
    phase = "failed" if last and run.state is State.FAILED else "lost"
    if bad:
        return min(bad), phase
    if last and run.state in (State.FAILED, State.LOST):
        return attempt.ended_ns or run.ended_ns, phase
    return None


def majority(tracks: Iterable[Track], from_ns: int, to_ns: int) -> list[Stretch]:
    """What most tracks are in, from `from_ns` to `to_ns`; of a draw, the lowest rank's. Untold is starting.

    `UNKNOWN` where it is of every track; else those that are known decide.
    """
    known = tuple(tracks)
    changes = sorted((time_ns, place, name) for place, track in enumerate(known) for time_ns, name in track.changes())
    now = ["starting"] * max(1, len(known))
    counts = {"starting": len(now)}
    out: list[Stretch] = []
    since_ns, phase = from_ns, "starting"
    for time_ns, place, name in changes:
        counts[now[place]] -= 1
        counts[name] = counts.get(name, 0) + 1
        now[place] = name
        most = max((many for each, many in counts.items() if each != UNKNOWN), default=0)
        winner = next((each for each in now if each != UNKNOWN and counts[each] == most), UNKNOWN)
        if winner != phase:
            at_ns = min(max(time_ns, since_ns), to_ns)
            out.append((since_ns, at_ns, phase))
            since_ns, phase = at_ns, winner
    out.append((since_ns, max(since_ns, to_ns), phase))
    return out


def merged(stretches: Iterable[Stretch]) -> list[Stretch]:
    """The stretches without empty ones (but a fault's, which is a mark) and with equal neighbours joined."""
    out: list[Stretch] = []
    for from_ns, to_ns, phase in stretches:
        if from_ns == to_ns and phase not in ("lost", "failed"):
            continue
        if out and out[-1][2] == phase and phase != "lost":
            out[-1] = (out[-1][0], to_ns, phase)
        else:
            out.append((from_ns, to_ns, phase))
    return out


def bounded(stretches: list[Stretch], limit: int) -> list[Stretch]:
    """At most `limit` touching stretches: short neighbours become one, in the phase that had most of their time.

    Only stretches shorter than 3/limit of the whole are joined, and only until they are that long together.
    """
    if len(stretches) <= limit:
        return stretches
    short_ns = 3 * (stretches[-1][1] - stretches[0][0]) // limit + 1
    out: list[Stretch] = []
    group: list[Stretch] = []
    for stretch in stretches:
        if stretch[1] - stretch[0] >= short_ns:
            out += _joined(group)
            out.append(stretch)
            group = []
            continue
        group.append(stretch)
        if stretch[1] - group[0][0] >= short_ns:
            out += _joined(group)
            group = []
    return merged([*out, *_joined(group)])


def _joined(group: list[Stretch]) -> list[Stretch]:
    if not group:
        return []
    time_in: dict[str, int] = {}
    for from_ns, to_ns, phase in group:
        time_in[phase] = time_in.get(phase, 0) + to_ns - from_ns
    phase = max(time_in, key=lambda each: time_in[each])
    return [(group[0][0], group[-1][1], phase)]
