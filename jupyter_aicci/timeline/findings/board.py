"""Evidence cut into windows once, for all rules: what every rank spent its time on in each, and what was measured.

Two cuts: `windows` follow the steps (each holds at least `least_steps` steps of every rank and lasts `window_s`), `grid`
follows the clock and is there also for programs that tell no steps. A number that was not measured is NaN in both.
Rule: a pure function of evidence and gates; nothing here knows what a rule looks for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from jupyter_aicci.model.finding import Finding
from jupyter_aicci.model.metrics import Scope, owner
from jupyter_aicci.timeline.evidence import Evidence, Floats, Ints, Series, Steps
from jupyter_aicci.timeline.findings.rule import GATES, LIKELY, SURE, Gates, Rule

Bools = npt.NDArray[np.bool_]
NS = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """Windows `first` to `last` in which something was so."""

    first: int
    last: int
    cleared: bool

    @property
    def span(self) -> slice:
        return slice(self.first, self.last + 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Windows:
    """Consecutive stretches of time; `[w, r]` are sums over the steps of rank `Board.ranks[r]` that end in window w."""

    from_s: Floats
    to_s: Floats
    count: Floats  # [w, r] steps
    total_ns: Floats
    compute_ns: Floats
    data_wait_ns: Floats
    comm_ns: Floats
    straggler_ns: Floats
    checkpoint_ns: Floats

    def __len__(self) -> int:
        return len(self.from_s)

    def share(self, column: str) -> Floats:
        """[w] of all ranks' step time, NaN where there was none."""
        total = self.total_ns.sum(axis=1)
        return ratio(getattr(self, column).sum(axis=1), total)

    def rank_share(self, column: str) -> Floats:
        """[w, r] of each rank's step time."""
        return ratio(getattr(self, column), self.total_ns)


class Board:
    """What the rules look at."""

    def __init__(self, evidence: Evidence, gates: Gates = GATES) -> None:
        self.evidence, self.gates, self.run = evidence, gates, evidence.run

    # who is there

    @cached_property
    def node_of(self) -> dict[int, int]:
        """rank -> its node, in the latest attempt that has it."""
        found: dict[int, int] = {}
        for attempt in self.run.attempts:
            each = max(1, attempt.placement.ranks_per_node)
            found |= {rank: rank // each for rank in range(attempt.placement.world_size)}
        steps = self.evidence.steps
        for rank in np.unique(steps.rank):
            found[int(rank)] = int(steps.node[np.flatnonzero(steps.rank == rank)[-1]])
        return found

    @cached_property
    def ranks(self) -> tuple[int, ...]:
        return tuple(sorted(self.node_of))

    def on_node(self, node: int) -> tuple[int, ...]:
        return tuple(rank for rank in self.ranks if self.node_of[rank] == node)

    @property
    def nodes(self) -> tuple[int, ...]:
        return tuple(sorted(set(self.node_of.values())))

    def owner_of(self, scope: Scope, rank: int) -> str:
        """Whose series tell of a rank: its own, its node's, its device's."""
        node = self.node_of[rank]
        match scope:
            case "rank":
                return owner("rank", node, str(rank))
            case "device":
                return owner("device", node, self.device_of(rank))
        return owner("node", node)

    def device_of(self, rank: int) -> str:
        """The index of the rank's first device on its node, "" where it has none."""
        attempt = self.run.attempt
        if attempt is None or not attempt.placement.shape.accelerators:
            return ""
        place = next((place for place in attempt.placement.nodes if place.index == self.node_of[rank]), None)
        each = max(1, attempt.placement.ranks_per_node)
        devices = place.devices if place else ()
        local = rank % each * max(1, len(devices) // each)
        return devices[local] if local < len(devices) else str(rank % each)

    def ranks_of_device(self, whose: str) -> tuple[int, ...]:
        return tuple(rank for rank in self.ranks if self.owner_of("device", rank) == whose)

    @cached_property
    def cpus(self) -> float:
        """CPUs that one node of the run has."""
        attempt = self.run.attempt
        own = attempt.placement.shape.cpu_milli / 1000 if attempt else 0.0
        return float(self.evidence.facts.get("cpus") or own or 1.0)

    @property
    def cpus_per_rank(self) -> int:
        attempt = self.run.attempt
        each = max(1, attempt.placement.ranks_per_node) if attempt else 1
        return max(1, int(self.cpus // each))

    # when

    @property
    def end_s(self) -> float:
        if self.run.ended_ns:
            return (self.run.ended_ns - self.run.submitted_ns) / NS
        return self.evidence.now_s

    @cached_property
    def start_s(self) -> float:
        """When the first node was held: from here on it is paid for."""
        return max(0.0, (self.run.started_ns - self.run.submitted_ns) / NS) if self.run.started_ns else 0.0

    @cached_property
    def warm(self) -> Steps:
        """The steps behind the first ones of each rank and attempt."""
        steps = self.evidence.steps
        if not len(steps.rank):
            return steps
        order = np.lexsort((steps.to_s, steps.rank, steps.attempt))
        count = steps.count[order]
        before = np.cumsum(count) - count
        begins = np.r_[True, (np.diff(steps.rank[order]) != 0) | (np.diff(steps.attempt[order]) != 0)]
        before -= np.maximum.accumulate(np.where(begins, before, 0))
        keep = np.zeros(len(order), dtype=bool)
        keep[order] = before >= self.gates.skip_steps
        return steps.of(keep)

    @cached_property
    def warm_s(self) -> float:
        """From when on what is measured counts: the first warm step, or where ranks run a program that tells none."""
        if len(self.warm.from_s):
            return float(self.warm.from_s.min())
        running = [attempt.running_ns for attempt in self.run.attempts if attempt.running_ns]
        return (min(running) - self.run.submitted_ns) / NS if running else self.end_s

    # windows that follow the steps

    @cached_property
    def windows(self) -> Windows:
        from_s, to_s, index = self._cut()
        steps, size = self.warm, len(self.ranks)
        place = np.searchsorted(np.array(self.ranks, dtype=np.int64), steps.rank)
        known = index >= 0
        flat = (index * size + place)[known]

        def summed(values: Floats | Ints) -> Floats:
            weights = np.asarray(values, dtype=np.float64)[known]
            sums: Floats = np.bincount(flat, weights, len(from_s) * size).reshape(len(from_s), size).astype(np.float64)
            return sums

        return Windows(
            from_s=from_s,
            to_s=to_s,
            count=summed(steps.count),
            total_ns=summed((steps.to_s - steps.from_s) * NS),
            compute_ns=summed(steps.compute_ns),
            data_wait_ns=summed(steps.data_wait_ns),
            comm_ns=summed(steps.comm_ns),
            straggler_ns=summed(steps.straggler_ns),
            checkpoint_ns=summed(steps.checkpoint_ns),
        )

    def _cut(self) -> tuple[Floats, Floats, Ints]:
        """From and to of the windows, and the window of each warm step (-1 = none)."""
        steps, gates = self.warm, self.gates
        index = np.full(len(steps.rank), -1, dtype=np.int64)
        length_s = max(gates.window_s, self.end_s / gates.most_windows)
        edges: list[tuple[float, float]] = []
        for attempt in np.unique(steps.attempt):
            mine = np.flatnonzero(steps.attempt == attempt)
            ends, ranks = steps.to_s[mine], len(np.unique(steps.rank[mine]))
            done = np.cumsum(steps.count[mine])
            begin, at_s, had = 0, float(steps.from_s[mine].min()), 0
            while True:
                last = max(
                    int(np.searchsorted(ends, at_s + length_s)),
                    int(np.searchsorted(done, had + gates.least_steps * ranks)),
                )
                if last >= len(mine):
                    break
                index[mine[begin : last + 1]] = len(edges)
                edges.append((at_s, float(ends[last])))
                begin, at_s, had = last + 1, float(ends[last]), int(done[last])
        both = np.array(edges, dtype=np.float64).reshape(-1, 2)
        return both[:, 0], both[:, 1], index

    # windows that follow the clock

    @cached_property
    def grid(self) -> Floats:
        """Edges of the clock's windows."""
        length_s = max(self.gates.window_s, self.end_s / self.gates.most_windows)
        whole = int(max(0.0, self.end_s - self.warm_s) // length_s)
        edges: Floats = self.warm_s + length_s * np.arange(whole + 1, dtype=np.float64)
        return edges

    def owners(self, *metrics: str, scope: Scope | None = None) -> tuple[str, ...]:
        """Who has all of these metrics, of one kind of owner where two kinds have metrics of one name."""
        have = [set(self.evidence.owners.get(metric, ())) for metric in metrics]
        both = set.intersection(*have) if have else set()
        return tuple(sorted(whose for whose in both if scope is None or scope_of(whose) == scope))

    def series(self, metric: str, whose: str) -> Series:
        if whose not in self.evidence.owners.get(metric, ()):
            empty = np.empty(0)
            return empty, empty
        return self.evidence.series(metric, whose)

    def mean(self, metric: str, whose: str) -> Floats:
        """[g] of the clock's windows."""
        return means(self.series(metric, whose), self.grid)

    def peak(self, metric: str, whose: str) -> Floats:
        """[g] the highest of each window."""
        t_s, v = self.series(metric, whose)
        out = np.full(max(0, len(self.grid) - 1), np.nan)
        seen = ~np.isnan(v)
        place = np.searchsorted(self.grid, t_s[seen], side="right") - 1
        inside = (place >= 0) & (place < len(out))
        np.fmax.at(out, place[inside], v[seen][inside])
        return out

    def within(self, metric: str, whose: str, from_s: float, to_s: float) -> float:
        """The mean over a stretch of time, NaN where nothing was seen."""
        return float(means(self.series(metric, whose), np.array([from_s, to_s]))[0])

    # what was found

    def episodes(self, hot: Bools, known: Bools | None = None) -> Iterator[Episode]:
        """Where `hot` held long enough to be said; a window that is not known neither raises nor clears."""
        first, warm, cold, last, said = -1, 0, 0, -1, False
        for at in range(len(hot)):
            if known is not None and not known[at]:
                continue
            if hot[at]:
                first = at if first < 0 else first
                warm, cold, last = warm + 1, 0, at
                said = said or warm >= self.gates.raise_windows
                continue
            warm, cold = 0, cold + 1
            if not said:
                first = -1
            elif cold >= self.gates.clear_windows:
                yield Episode(first=first, last=last, cleared=True)
                first, said = -1, False
        if said:
            yield Episode(first=first, last=last, cleared=False)

    def on_grid(self, hot: Bools, *values: Floats) -> Iterator[tuple[Episode, float, float]]:
        """(episode, from, to) on the clock's windows, those where a value is NaN not known."""
        known: Bools | None = ~np.any(np.isnan(np.array(values)), axis=0) if values else None
        for episode in self.episodes(hot, known):
            yield episode, float(self.grid[episode.first]), float(self.grid[episode.last + 1])

    def confidence(self, from_s: float, to_s: float, steps: float | None = None) -> float:
        """How sure one can be of what was seen for that long, or that many steps of every rank."""
        enough = steps is None or steps >= self.gates.sure_steps
        return SURE if enough and to_s - from_s >= self.gates.sure_s else LIKELY

    def finding(
        self,
        rule: Rule,
        *,
        from_s: float,
        to_s: float,
        value: float,
        threshold: float,
        confidence: float,
        text: str,
        fix: str,
        lanes: tuple[str, ...],
        wasted_ns: float = 0.0,
        severity: str = "warning",
        ranks: tuple[int, ...] = (),
        nodes: tuple[int, ...] = (),
        ongoing: bool = False,
        at_risk: bool = False,
        inputs: dict[str, float] | None = None,
    ) -> Finding:
        """A finding of this rule; `ranks` that are all the ranks are written as ()."""
        wasted = max(0, round(wasted_ns))
        return Finding(
            id=rule.id,
            name=rule.name,
            version=rule.version,
            severity=severity,
            from_s=from_s,
            to_s=to_s,
            ongoing=ongoing and not self.run.ended,
            ranks=() if ranks == self.ranks else ranks,
            nodes=() if nodes == self.nodes else nodes,
            value=rounded(value),
            threshold=threshold,
            inputs={name: rounded(number) for name, number in (inputs or {}).items() if number == number},
            confidence=confidence,
            wasted_ns=wasted,
            wasted_micro=self.evidence.wasted_micro(wasted),
            at_risk=at_risk,
            text=text,
            fix=fix,
            lanes=lanes,
        )


def means(series: Series, edges: Floats) -> Floats:
    """The mean of the points in each stretch between two edges, NaN where there is none."""
    t_s, v = series
    size = max(0, len(edges) - 1)
    seen = ~np.isnan(v)
    place = np.searchsorted(edges, t_s[seen], side="right") - 1
    inside = (place >= 0) & (place < size)
    count = np.bincount(place[inside], minlength=size)
    total = np.bincount(place[inside], v[seen][inside], minlength=size).astype(np.float64)
    return ratio(total, count.astype(np.float64))


def ratio(part: Floats, whole: Floats) -> Floats:
    """part / whole, NaN where the whole is nothing."""
    out = np.full(np.shape(whole), np.nan)
    np.divide(part, whole, out=out, where=whole > 0)
    return out


def scope_of(whose: str) -> Scope:
    """Which kind of owner a name of `model.metrics.owner` is."""
    if whose.startswith("rank-"):
        return "rank"
    if "/" not in whose:
        return "node"
    return "device" if whose.partition("/")[2].startswith("gpu-") else "nic"


def node_of(whose: str) -> int:
    """The node in the name of a node, a device or a NIC."""
    return int(whose.partition("/")[0].removeprefix("node-"))


def rounded(number: float) -> float:
    """Four significant places: a finding is a statement, not a measurement."""
    return float(f"{number:.4g}")


def percent(share: float) -> str:
    """`43 %`; a place more below one."""
    return f"{100 * share:.0f} %" if share >= 0.0095 else f"{100 * share:.2g} %"


def listed(what: str, numbers: tuple[int, ...]) -> str:
    """`rank 5`, `ranks 0 to 7`, `ranks 1, 3 and 9 more`."""
    if len(numbers) == 1:
        return f"{what} {numbers[0]}"
    if numbers == tuple(range(numbers[0], numbers[-1] + 1)) and len(numbers) > 2:
        return f"{what}s {numbers[0]} to {numbers[-1]}"
    shown = ", ".join(map(str, numbers[:4]))
    return f"{what}s {shown}" + (f" and {len(numbers) - 4} more" if len(numbers) > 4 else "")
