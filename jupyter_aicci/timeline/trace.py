"""A run as a trace: nodes are processes, ranks their threads, metrics counters, findings a track of their own.

In: what was gathered from the run's frames, the ledger's entries, findings as JSON. Out: the bytes of `timeline/perfetto.py`.
A rank's thread shows each attempt and in it the phases that the rank told; the track `steps` under it shows every record of
steps and in it its phases.
Rule 1: lengths are those of the bill's partition. In which order a step's phases came is not told: they stand in the order of
`partition.ORDER`, one behind the other.
Rule 2: a counter's curve is its rate a second. A break has no points: a trace has no way to show one, so the last value stays.
Must not import: anything but model, numpy and this room's columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from jupyter_aicci.model.metrics import BY_NAME, Scope
from jupyter_aicci.model.run import Run
from jupyter_aicci.timeline.colours import look
from jupyter_aicci.timeline.gather import NS, Gathered
from jupyter_aicci.timeline.partition import ORDER, Billed
from jupyter_aicci.timeline.perfetto import MOST_NAMES, NO_STEP, Counter, Events, Floats, Ints, Track, perfetto
from jupyter_aicci.timeline.phases import node_count
from jupyter_aicci.timeline.records import Records
from jupyter_aicci.timeline.stretches import Stretches, stretches

LEAST_NS = 1_000_000  # of a finding, so that it can be seen
LAST = 1 << 40  # place of a step's end among its events
Logged = Mapping[tuple[int, str], tuple[Ints, Floats]]  # (rank, name) -> (epoch ns, values)


def run_trace(
    run: Run,
    gathered: Gathered,
    billed: Sequence[Billed],
    *,
    findings: Iterable[Mapping[str, Any]] = (),
    logged: Logged | None = None,
) -> bytes:
    """The whole run as a Perfetto trace."""
    trace = _Trace(run)
    told = {(each.attempt, each.rank): each for each in stretches(run, gathered.told, Records(), billed)}
    for rows in stretches(run, gathered.told, gathered.records, billed):
        trace.attempt(rows, told.get((rows.attempt, rows.rank), rows))
        trace.steps(rows)
    for (scope, metric), owners in gathered.samples.whose.items():
        for owner in owners:
            trace.sampled(scope, metric, owner, *gathered.samples.series(metric, owner))
    for (rank, name), (time_ns, values) in (logged or {}).items():
        trace.counter(name, "", trace.rank(rank), time_ns, values)
    trace.findings(findings)
    return trace.written()


class _Trace:
    """Tracks, names and events as they are found."""

    def __init__(self, run: Run) -> None:
        self._run, self._nodes = run, node_count(run)
        self._tracks: list[Track] = []
        self._ids: dict[tuple[str, ...], int] = {}
        self._names: dict[str, int] = {}
        self._events: list[Events] = []
        self._counters: list[Counter] = []

    def node(self, node: int) -> int:
        """The track of a node: a process."""
        hosts = [place.host for each in self._run.attempts for place in each.placement.nodes if place.index == node]
        return self._track(f"node {node}" + (f" ({hosts[-1]})" if hosts else ""), (f"node-{node}",), pid=node + 1)

    def rank(self, rank: int, node: int | None = None) -> int:
        """The track of a rank: a thread of its node's process."""
        attempt = self._run.attempt
        each = max(1, attempt.placement.ranks_per_node) if attempt else 1
        node = min(rank // each, self._nodes - 1) if node is None else node
        self.node(node)
        return self._track(f"rank {rank}", (f"rank-{rank}",), pid=node + 1, tid=self._nodes + 1 + rank)

    def attempt(self, rows: Stretches, told: Stretches) -> None:
        """The attempt and in it the phases that the rank told."""
        if not len(told.ns):
            return
        track, begin, end = self.rank(rows.rank, rows.node), int(told.from_ns[0]), int(told.to_ns[-1])
        from_ns, to_ns = np.r_[begin, told.from_ns], np.r_[end, told.to_ns]
        names = np.r_[self._name(f"attempt {rows.attempt}"), self._phases(told.phase)]
        place = np.arange(1, 2 * len(told.ns) + 1).reshape(-1, 2).T
        places = np.r_[0, place[0]], np.r_[LAST, place[1]]
        self._add(track, from_ns, to_ns, names, places, np.full(len(names), NO_STEP))

    def steps(self, rows: Stretches) -> None:
        """Every record of steps and in it its phases, one behind the other."""
        mine = np.flatnonzero(rows.count > 0)
        if not len(mine):
            return
        track = self._track("steps", (f"rank-{rows.rank}", "steps"), parent=self.rank(rows.rank, rows.node))
        begin, ns = rows.from_ns[mine], rows.ns[mine]
        first = np.flatnonzero(np.r_[True, begin[1:] != begin[:-1]])
        record = np.cumsum(np.r_[True, begin[1:] != begin[:-1]]) - 1
        before = np.cumsum(ns) - ns
        from_ns = begin + before - before[first][record]
        own = mine[first]
        several = np.array([self._name("step"), self._name("steps")])[(rows.count[own] > 1).astype(np.int64)]
        base = record * (2 * len(ORDER) + 2)  # places of a record's events follow each other
        nth = np.arange(len(mine)) - first[record]
        step_base = np.arange(len(own)) * (2 * len(ORDER) + 2)
        places = (
            np.r_[step_base, base + 1 + 2 * nth],
            np.r_[step_base + 2 * len(ORDER) + 1, base + 2 + 2 * nth],
        )
        self._add(
            track,
            np.r_[rows.from_ns[own], from_ns],
            np.r_[rows.to_ns[own], from_ns + ns],
            np.r_[several, self._phases(rows.phase[mine])],
            places,
            np.r_[rows.step[own], np.full(len(mine), NO_STEP)],
        )

    def sampled(self, scope: Scope, metric: str, owner: str, t_s: Floats, values: Floats) -> None:
        """One metric of one owner."""
        row = BY_NAME[scope, metric]
        unit = f"{row.unit or 'count'}/s" if row.counter else row.unit
        time_ns = self._run.submitted_ns + np.round(t_s * NS).astype(np.int64)
        self.counter(row.label, unit, self._owner(scope, owner), time_ns, values)

    def counter(self, name: str, unit: str, parent: int, time_ns: Ints, values: Floats) -> None:
        seen = np.isfinite(values)
        if seen.any():
            track = self._track(name, (str(parent), name), parent=parent, unit=unit, is_counter=True)
            self._counters.append(Counter(track=track, time_ns=time_ns[seen], value=values[seen]))

    def findings(self, found: Iterable[Mapping[str, Any]]) -> None:
        """Each from the beginning to the end of its evidence, on a track of its own: two may overlap."""
        for number, finding in enumerate(found):
            every = self._track("findings", ("findings",))
            track = self._track(f"{finding['id']} {finding['name']}", ("findings", str(number)), parent=every)
            edges = [self._run.submitted_ns + round(float(finding[key]) * NS) for key in ("from_s", "to_s")]
            edges[1] = max(edges[1], edges[0] + LEAST_NS)
            name = np.array([self._name(str(finding["text"]))])
            one = np.array([0])
            self._add(track, np.array(edges[:1]), np.array(edges[1:]), name, (one, one + 1), one + NO_STEP)

    def written(self) -> bytes:
        columns = ("track", "time_ns", "is_begin", "name", "step")
        if not self._events:
            none = np.empty(0, dtype=np.int64)
            events = Events(track=none, time_ns=none, is_begin=none.astype(bool), name=none, step=none)
            return perfetto(self._tracks, tuple(self._names), events, self._counters)
        found = {name: np.concatenate([getattr(each, name) for each in self._events]) for name in columns}
        order = np.argsort(found["time_ns"], kind="stable")  # of one moment: as they follow each other on their track
        events = Events(**{name: column[order] for name, column in found.items()})
        return perfetto(self._tracks, tuple(self._names), events, self._counters)

    def _add(self, track: int, from_ns: Ints, to_ns: Ints, name: Ints, places: tuple[Ints, Ints], step: Ints) -> None:
        """Slices by their begin and end; `places` order the begins and the ends on the track."""
        order = np.argsort(np.concatenate(places), kind="stable")
        is_begin = np.r_[np.ones(len(from_ns), dtype=bool), np.zeros(len(to_ns), dtype=bool)]
        self._events.append(
            Events(
                track=np.full(len(order), track, dtype=np.int64),
                time_ns=np.r_[from_ns, to_ns][order],
                is_begin=is_begin[order],
                name=np.r_[name, name][order],
                step=np.r_[step, step][order],
            )
        )

    def _owner(self, scope: Scope, owner: str) -> int:
        node, _, unit = owner.partition("/")
        number = int(node.rpartition("-")[2])
        if scope == "rank":
            return self.rank(number)
        if scope == "node":
            return self.node(number)
        return self._track(unit, (owner,), parent=self.node(number))

    def _track(self, name: str, key: tuple[str, ...], **more: Any) -> int:
        if key not in self._ids:
            self._ids[key] = len(self._ids) + 1
            self._tracks.append(Track(id=self._ids[key], name=name, **more))
        return self._ids[key]

    def _phases(self, codes: Ints) -> Ints:
        """Names of phases by their place in ORDER."""
        return np.array([self._name(look(phase).label) for phase in ORDER])[codes]

    def _name(self, text: str) -> int:
        if text not in self._names and len(self._names) >= MOST_NAMES - 2:
            text = "…"
        return self._names.setdefault(text, len(self._names))
