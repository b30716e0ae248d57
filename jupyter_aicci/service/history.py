"""How long runs like this one took: the median of earlier runs of the same program by the same owner.

In: the runs of the journal. Out: seconds for which such a run holds its nodes in all, 0 where there was none.
Like it is, in this order: the same program text and arguments, or else the same name; among these the same shape and nodes, or
else the same nodes, or else any. A text that was changed by a character is another program, which its name may still tell.
Rule 1: only runs that succeeded count: a failure says nothing about how long it would have taken.
Rule 2: a program's text is read once, from the run's own folder, which nobody changes after the submit.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator

import numpy as np

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.spec import RunSpec
from jupyter_aicci.model.states import State
from jupyter_aicci.scheduler import History as Learnt
from jupyter_aicci.service.asks import held_s, unit_seconds
from jupyter_aicci.service.runs import Runs
from jupyter_aicci.store.paths import Home

Key = tuple[object, ...]
KEPT = 20  # the latest of each kind: a program that became faster is soon known as such
LOOKED_AT = 500  # of a journal's runs, the newest, when a service starts
SIZES = 10_000  # run sizes that policies learn from


class History:
    """What ended runs teach; `learn` is called once for each as it ends."""

    def __init__(self, home: Home, runs: Runs) -> None:
        self._home = home
        self._took: dict[Key, deque[float]] = {}
        self._programs: dict[RunId, str] = {}
        self._totals: dict[RunId, tuple[int, float]] = {}  # run -> what was known when so many had been learnt from
        self._learnt = 0
        self._sizes: deque[float] = deque(maxlen=SIZES)  # unit-seconds of runs that succeeded, latest last
        self._ascending: tuple[int, Learnt] = (0, Learnt())  # the same for policies, when so many had been learnt from
        for run in reversed(runs.newest_first()[:LOOKED_AT]):
            self.learn(run)

    def learn(self, run: Run) -> None:
        """Take in one run that has ended."""
        if run.state is State.SUCCEEDED:
            self._learnt += 1
            self._sizes.append(unit_seconds(run))
            for key in self._keys(run):
                self._took.setdefault(key, deque(maxlen=KEPT)).append(held_s(run))
        self._programs.pop(run.id, None)
        self._totals.pop(run.id, None)

    @property
    def for_policies(self) -> Learnt:
        """The sizes of ended runs, as policies learn from them."""
        if self._ascending[0] != self._learnt:
            self._ascending = self._learnt, Learnt(sizes=np.sort(np.array(self._sizes)))
        return self._ascending[1]

    def total_s(self, run: Run) -> float:
        """Seconds that the run is expected to hold its nodes in all, 0 = nobody knows."""
        known = self._totals.get(run.id)
        if known is None or known[0] != self._learnt:
            took = next((self._took[key] for key in self._keys(run) if key in self._took), None)
            known = self._totals[run.id] = self._learnt, _median(sorted(took)) if took else 0.0
        return known[1]

    def usual_s(self, spec: RunSpec) -> float:
        """The same for a run that was not sent, of which only the name tells what it is like."""
        took = next((self._took[key] for key in _keys(spec, ",".join(spec.shape)) if key in self._took), None)
        return _median(sorted(took)) if took else 0.0

    def _keys(self, run: Run) -> Iterator[Key]:
        return _keys(run.spec, run.shape, self._program(run))

    def _program(self, run: Run) -> str:
        """A digest of the program's text and arguments, "" where its text cannot be read."""
        if run.id not in self._programs:
            self._programs[run.id] = self._read(run)
        return self._programs[run.id]

    def _read(self, run: Run) -> str:
        digest = hashlib.blake2b(repr((run.spec.launcher, run.spec.argv)).encode(), digest_size=16)
        if not run.spec.launcher:
            try:
                digest.update((self._home.src_dir(run.id) / run.spec.source).read_bytes())
            except OSError:
                return ""
        return digest.hexdigest()


def _keys(spec: RunSpec, shape: str, program: str = "") -> Iterator[Key]:
    """What a run is like, the most like first."""
    sizes: tuple[Key, ...] = ((shape, spec.nodes, spec.ranks_per_node), (spec.nodes,), ())
    for kind, word in (("text", program), ("name", spec.name)):
        if word:
            yield from ((spec.owner, kind, word, *size) for size in sizes)


def _median(ordered: list[float]) -> float:
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
