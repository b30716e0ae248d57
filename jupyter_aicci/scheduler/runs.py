"""The runs that a decision is about, as columns: those that wait, and those that hold nodes.

In: `Waiting` and `Running` records. Out: a `Runs` value, whose rows stand in the order of run ids.
Rule 1: a `Runs` is a value; one more or one less run is a new one, at the cost of copying its arrays.
Rule 2: all that a decision reads of a run is in its row, its `Kind` and, where it holds nodes, its placement.
Rule 3: moments are seconds since the epoch of the caller's clock, float64; what a run holds is counted in units: its accelerators,
or its CPUs where it has none.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.placement import Placement
from jupyter_aicci.model.text import NS
from jupyter_aicci.scheduler.fragmentation import Demand
from jupyter_aicci.scheduler.order import History

T = TypeVar("T")
ROW = np.dtype(
    [
        ("kind", "i8"),  # index into Runs.kinds
        ("queue", "i8"),  # index into Runs.queues
        ("user", "i8"),  # index into Runs.users
        ("priority", "i8"),
        ("units", "i8"),  # of the whole gang; set by decide for runs that wait
        ("nodes", "i8"),
        ("submitted_s", "f8"),
        ("wait_since_s", "f8"),  # submitted, or last back in its queue
        ("not_before_s", "f8"),
        ("limit_s", "f8"),  # longest it may still run, inf = no limit
        ("expected_s", "f8"),  # how long it will still run, nan = nobody knows
        ("attained_s", "f8"),  # unit-seconds that it has had
        ("ran_s", "f8"),  # seconds that it has run
        ("started_s", "f8"),  # nan while it waits
        ("checkpoint_s", "f8"),  # its last checkpoint, -inf = never
        ("turn", "i8"),  # among runs that started, or stopped, at one moment: their order then
        ("preemptible", "i8"),
        ("leaving", "i8"),  # has been told to go
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a run asks for; runs that ask for the same are placed alike."""

    shapes: tuple[str, ...] = ("auto",)
    nodes: int = 1
    min_nodes: int = 0  # 0 = all of `nodes`
    ranks_per_node: int = 0  # 0 = one per accelerator, else 1
    hard_level: str = ""  # its nodes must be under one domain of this level; "" = anywhere

    @property
    def sizes(self) -> range:
        """The numbers of nodes that it may start with, the best first."""
        return range(self.nodes, (self.min_nodes or self.nodes) - 1, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A run that waits, as far as the scheduler needs to know it."""

    run_id: RunId
    shapes: tuple[str, ...] = ("auto",)
    nodes: int = 1
    min_nodes: int = 0
    ranks_per_node: int = 0
    hard_level: str = ""
    queue: str = "default"
    user: str = ""
    priority: int = 0
    submitted_ns: int = 0
    wait_since_ns: int = 0  # 0 = since it was submitted
    not_before_ns: int = 0  # back-off after a lost attempt
    limit_s: float = 0.0  # longest it may still run, 0 = no limit
    expected_s: float = 0.0  # how long it will still run, 0 = nobody knows
    attained_s: float = 0.0  # unit-seconds that it has had
    ran_s: float = 0.0
    turn: int = 0  # among runs that stopped at one moment: their order then

    @property
    def kind(self) -> Kind:
        return Kind(
            shapes=self.shapes,
            nodes=self.nodes,
            min_nodes=self.min_nodes,
            ranks_per_node=self.ranks_per_node,
            hard_level=self.hard_level,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A run that holds nodes. `run` says what it had attained, and how long it might still run, when it started."""

    run: Waiting
    placement: Placement
    started_ns: int
    checkpoint_ns: int = 0  # its last checkpoint, 0 = it has none to go on from
    preemptible: bool = False
    leaving: bool = False  # has been told to go
    turn: int = 0  # among runs that started at one moment: their order then

    @property
    def run_id(self) -> RunId:
        return self.run.run_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """The start that a waiting run has been told, and the hosts that are kept for it."""

    start_s: float
    hosts: tuple[str, ...]
    counts: tuple[int, ...]  # nodes on each
    shape: str


def units_of(placement: Placement) -> int:
    """Accelerators of a placed gang, or its CPUs."""
    return placement.shape.slots * len(placement.nodes)


class Whereabouts:
    """The hosts of placements by number, looked up once for each placement; remembered for all values of `Runs` together."""

    __slots__ = ("_found", "_index")

    def __init__(self) -> None:
        self._index: Mapping[str, int] = {}
        self._found: dict[RunId, tuple[Placement, np.ndarray]] = {}

    def of(
        self, index: Mapping[str, int], ids: Sequence[RunId], placements: Sequence[Placement]
    ) -> tuple[np.ndarray, np.ndarray]:
        """(place in `placements`, host) of each node."""
        if (
            index is not self._index or len(self._found) > 2 * len(ids) + 1000
        ):  # another cluster, or many that have ended
            self._index, self._found = index, {}
        hosts = [self._of_one(*each) for each in zip(ids, placements, strict=True)]
        if not hosts:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        rows, flat = np.repeat(np.arange(len(hosts)), [len(each) for each in hosts]), np.concatenate(hosts)
        here = flat >= 0
        return (rows, flat) if here.all() else (rows[here], flat[here])

    def _of_one(self, run_id: RunId, placement: Placement) -> np.ndarray:
        known = self._found.get(run_id)
        if known is None or known[0] is not placement:
            hosts = np.array([self._index.get(node.host, -1) for node in placement.nodes], dtype=np.int64)
            known = self._found[run_id] = (placement, hosts)
        return known[1]


class Runs:
    """All runs of one decision. `waiting` and `running` are arrays of `ROW`, the lists beside them run along."""

    __slots__ = (
        "_at", "_where", "history", "kinds", "placements", "promises", "queues", "recent", "running", "running_ids", "users",
        "usual", "waiting", "waiting_ids",
    )  # fmt: skip

    def __init__(self) -> None:
        self.kinds: list[Kind] = []
        self.queues: list[str] = []
        self.users: list[str] = []
        self.waiting, self.running = np.zeros(0, dtype=ROW), np.zeros(0, dtype=ROW)
        self.waiting_ids: list[RunId] = []
        self.running_ids: list[RunId] = []
        self.placements: list[Placement] = []
        self.promises: dict[RunId, Promise] = {}  # of runs that wait
        self.history = History()
        self.usual: Mapping[Demand, int] = {}  # what runs usually ask for, and how often
        self.recent: Mapping[tuple[str, str], float] = {}  # (queue, user) -> mean dominant share that it had lately
        # Words get numbers once and keep them, in all values that come from one another.
        self._at: dict[object, int] = {}
        self._where = Whereabouts()

    def submitted(self, *runs: Waiting) -> Runs:
        """These wait, too."""
        new = self._copy()
        rows = np.array([new._row(run) for run in runs], dtype=ROW)
        new.waiting_ids, new.waiting, _ = _merged(self.waiting_ids, self.waiting, [run.run_id for run in runs], rows)
        return new

    def started(self, *running: Running) -> Runs:
        """These hold nodes, and wait no longer."""
        ids = [held.run_id for held in running]
        new = self.ended(*ids)
        rows = np.array([new._held_row(held) for held in running], dtype=ROW)
        placements = [*new.placements, *(held.placement for held in running)]
        new.running_ids, new.running, order = _merged(new.running_ids, new.running, ids, rows)
        new.placements = placements if order is None else [placements[at] for at in order]
        return new

    def begun(self, placements: Mapping[RunId, Placement], now_s: float) -> Runs:
        """These, which wait, hold nodes from now on."""
        at = _found(self.waiting_ids, placements)
        ids, rows = [self.waiting_ids[place] for place in at], self.waiting[at]
        rows["started_s"], rows["turn"] = now_s, np.arange(len(at))
        rows["units"] = [units_of(placements[run_id]) for run_id in ids]
        rows["nodes"] = [len(placements[run_id].nodes) for run_id in ids]
        new = self.ended(*ids)
        held = [*new.placements, *(placements[run_id] for run_id in ids)]
        new.running_ids, new.running, order = _merged(new.running_ids, new.running, ids, rows)
        new.placements = held if order is None else [held[place] for place in order]
        return new

    def requeued(self, *runs: Waiting) -> Runs:
        """These hold nothing any more and wait again."""
        return self.ended(*(run.run_id for run in runs)).submitted(*runs)

    def ended(self, *ids: RunId) -> Runs:
        """These are gone, from wherever they were."""
        new = self._copy()
        new.promises = {run_id: promise for run_id, promise in self.promises.items() if run_id not in ids}
        gone = _found(self.waiting_ids, ids)
        if gone:
            new.waiting = np.delete(self.waiting, gone)
            new.waiting_ids = _dropped(self.waiting_ids, gone)
        gone = _found(self.running_ids, ids)
        if gone:
            new.running = np.delete(self.running, gone)
            new.running_ids, new.placements = _dropped(self.running_ids, gone), _dropped(self.placements, gone)
        return new

    def promised(self, promises: Mapping[RunId, Promise]) -> Runs:
        """These have been told when and where they start at the latest."""
        new = self._copy()
        new.promises = self.promises | dict(promises)
        return new

    def staying(self) -> Runs:
        """The same; none of those that hold nodes gives its place away."""
        new = self._copy()
        new.running = self.running.copy()
        new.running["preemptible"] = 0
        return new

    def knowing(
        self,
        history: History | None = None,
        *,
        recent: Mapping[tuple[str, str], float] | None = None,
        usual: Mapping[Demand, int] | None = None,
    ) -> Runs:
        """The same, with what ended runs teach, who had how much lately, and what is usually asked for; None = as it was."""
        new = self._copy()
        new.history = self.history if history is None else history
        new.recent = self.recent if recent is None else recent
        new.usual = self.usual if usual is None else usual
        return new

    def where(self, index: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
        """(row of `running`, host) of each node that runs hold; `index`: number of each host. Hosts that are gone are left out."""
        return self._where.of(index, self.running_ids, self.placements)

    def _copy(self) -> Runs:
        new = object.__new__(Runs)
        new._at, new.kinds, new.queues, new.users = self._at, self.kinds, self.queues, self.users
        new.waiting, new.waiting_ids = self.waiting, list(self.waiting_ids)
        new.running, new.running_ids = self.running, list(self.running_ids)
        new.placements, new.promises = list(self.placements), self.promises
        new.history, new.recent, new.usual = self.history, self.recent, self.usual
        new._where = self._where
        return new

    def _number(self, word: object, words: list[object]) -> int:
        key = (id(words), word)
        at = self._at.get(key)
        if at is None:
            at = self._at[key] = len(words)
            words.append(word)
        return at

    def _row(self, run: Waiting) -> tuple[object, ...]:
        submitted_s = run.submitted_ns / NS
        return (
            self._number(run.kind, self.kinds),  # type: ignore[arg-type]
            self._number(run.queue, self.queues),  # type: ignore[arg-type]
            self._number(run.user, self.users),  # type: ignore[arg-type]
            run.priority,
            0,
            run.nodes,
            submitted_s,
            run.wait_since_ns / NS if run.wait_since_ns else submitted_s,
            run.not_before_ns / NS,
            run.limit_s or np.inf,
            run.expected_s or np.nan,
            run.attained_s,
            run.ran_s,
            np.nan,
            -np.inf,
            run.turn,
            0,
            0,
        )

    def _held_row(self, held: Running) -> tuple[object, ...]:
        row = list(self._row(held.run))
        names = ROW.names or ()
        row[names.index("units")] = units_of(held.placement)
        row[names.index("nodes")] = len(held.placement.nodes)
        row[names.index("started_s")] = held.started_ns / NS
        row[names.index("checkpoint_s")] = held.checkpoint_ns / NS if held.checkpoint_ns else -np.inf
        row[names.index("turn")] = held.turn
        row[names.index("preemptible")] = held.preemptible
        row[names.index("leaving")] = held.leaving
        return tuple(row)


def stacked(rows: np.ndarray, more: np.ndarray) -> np.ndarray:
    """Rows of both, one behind the other; `np.concatenate` takes ten times as long for rows of many fields."""
    both = np.empty(len(rows) + len(more), dtype=ROW)
    both[: len(rows)], both[len(rows) :] = rows, more
    return both


def _merged(
    ids: list[RunId], rows: np.ndarray, new_ids: list[RunId], new_rows: np.ndarray
) -> tuple[list[RunId], np.ndarray, list[int] | None]:
    """Ids and rows of both, in the order of ids; the order says where each stood in (old, new), None = as they come."""
    both, all_rows = [*ids, *new_ids], stacked(rows, new_rows)
    if len(new_ids) <= 1 and both[-2:] == sorted(both[-2:]):
        return both, all_rows, None
    order = sorted(range(len(both)), key=both.__getitem__)  # nearly sorted already, which is what Timsort is quick at
    return [both[at] for at in order], all_rows[order], order


def _found(ids: list[RunId], wanted: Iterable[RunId]) -> list[int]:
    """Where those of `wanted` stand that are in the sorted `ids`."""
    places = ((bisect_left(ids, run_id), run_id) for run_id in wanted)
    return [at for at, run_id in places if at < len(ids) and ids[at] == run_id]


def _dropped(items: list[T], gone: list[int]) -> list[T]:
    left = items.copy()
    for at in sorted(gone, reverse=True):
        del left[at]
    return left


def runs_of(waiting: Iterable[Waiting] = (), running: Sequence[Running] = ()) -> Runs:
    """The runs of these records."""
    return Runs().submitted(*waiting).started(*running)
