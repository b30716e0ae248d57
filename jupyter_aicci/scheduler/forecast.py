"""When, where and at which bandwidth waiting runs start, and one that was not sent.

    outlook(cluster, queues, runs, now_ns) -> Outlook

Method: what `decide` does, told to keep a place for every run. With what runs are expected to take (the median of the user's
earlier runs of the same script, where there are any) it gives the likely start; with their limits alone it gives the latest.
Where the near future can be played event by event (ahead.py) and the run starts in it, that start is the likely one.
Rule 1: a latest start is given only where every run that must end before has a limit: nobody could keep another promise.
Rule 2: a forecast assumes that nobody takes another's place. Pure, as `decide` is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.placement import Bandwidth, Placement
from jupyter_aicci.model.text import NS
from jupyter_aicci.scheduler.ahead import WORK, Begun, ahead
from jupyter_aicci.scheduler.backfill import planned, smallest_domain
from jupyter_aicci.scheduler.choose import choices, highest_level
from jupyter_aicci.scheduler.cluster import Cluster
from jupyter_aicci.scheduler.decide import settled
from jupyter_aicci.scheduler.fabric import Fabric
from jupyter_aicci.scheduler.found import Found
from jupyter_aicci.scheduler.plan import Slot
from jupyter_aicci.scheduler.policies import Backfill, Policy, Takes, policy_named
from jupyter_aicci.scheduler.queues import Queues
from jupyter_aicci.scheduler.runs import Runs, Waiting
from jupyter_aicci.scheduler.session import Session

LINE_WORK = 10 * WORK  # for everybody in line together


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What is expected of one run; an estimate, all but `latest_s`. Moments are the caller's seconds, inf = nobody knows."""

    run_id: RunId
    place: int  # in line, 1 = first
    start_s: float
    latest_s: float  # it starts by then, unless a run with more right comes
    shape: str = ""
    domain: str = ""  # the smallest that holds its hosts
    bandwidth: Bandwidth | None = None


class Play(Protocol):
    """Starts of the near future of these runs."""

    def __call__(self, runs: Runs, *, until: RunId | None = None, work: int = WORK) -> Mapping[RunId, Begun]: ...


class Outlook:
    """The future as it looks at one moment. Asking it about one more run changes nothing."""

    def __init__(self, likely: Session, latest: Session, play: Play) -> None:
        self._likely, self._latest, self._play = likely, latest, play
        self._begun: Mapping[RunId, Begun] | None = None
        self.line = tuple(likely.line)
        starts, bounds = _moments(likely), _moments(latest)
        self._of = {
            run_id: _forecast(likely, run_id, place, starts.get(run_id), bounds.get(run_id))
            for place, run_id in enumerate(self.line, start=1)
        }

    def of(self, run_id: RunId) -> Forecast:
        """What is expected of a run that waits."""
        if self._begun is None:
            self._begun = self._play(self._likely.runs, work=LINE_WORK)
        return self._played(self._of[run_id], self._begun)

    def would(self, request: Waiting) -> Forecast:
        """What would be expected of one more run, last in line."""
        begun = self._play(self._likely.runs.submitted(request), until=request.run_id)
        return self._played(self._planned(request), begun)

    def _played(self, forecast: Forecast, begun: Mapping[RunId, Begun]) -> Forecast:
        """The forecast with the start that came out of playing the near future, where that got so far."""
        start = begun.get(forecast.run_id)
        if start is None:
            return forecast
        placement = start.placement
        return replace(
            forecast,
            start_s=min(start.start_s, forecast.latest_s),
            shape=placement.shape.name,
            domain=domain_of(self._likely.fabric, placement),
            bandwidth=placement.bandwidth,
        )

    def _planned(self, request: Waiting) -> Forecast:
        likely, latest = _would(self._likely, request), _would(self._latest, request)
        bound_s = latest.start_s if latest is not None and latest.sure else np.inf
        place = len(self.line) + 1
        if likely is None:
            return Forecast(run_id=request.run_id, place=place, start_s=np.inf, latest_s=bound_s)
        return Forecast(
            run_id=request.run_id,
            place=place,
            start_s=likely.start_s,
            latest_s=bound_s,
            shape=likely.found.choice.shape.name,
            domain=smallest_domain(self._likely.fabric.tree, likely.found.picks.hosts),
            bandwidth=self._likely.bandwidth(likely.found),
        )

    def shapes(self, request: Waiting) -> tuple[Forecast, ...]:
        """The same for every shape on offer, as the launch form shows it."""
        return tuple(self.would(replace(request, shapes=(shape.name,))) for shape in self._likely.fabric.shapes)


def outlook(cluster: Cluster, queues: Queues, runs: Runs, now_ns: int) -> Outlook:
    """The future of these runs."""
    policy = replace(policy_named(queues.policy), backfill=Backfill.CONSERVATIVE, takes=Takes.NOBODY, anew=False)
    ask = partial(settled, cluster, queues, runs, now_ns / NS, policy=policy)
    latest = ask(likely=False)
    told = bool(runs.promises) or any(np.isfinite(rows["expected_s"]).any() for rows in (runs.waiting, runs.running))
    own = replace(policy_named(queues.policy), takes=Takes.NOBODY, anew=False)
    play = partial(_ahead, cluster, queues, now_ns / NS, own)
    # Where nobody knows more than limits, it is one future.
    return Outlook(ask(likely=True) if told else latest, latest, play)


def _ahead(
    cluster: Cluster,
    queues: Queues,
    now_s: float,
    policy: Policy,
    runs: Runs,
    *,
    until: RunId | None = None,
    work: int = WORK,
) -> dict[RunId, Begun]:
    return ahead(cluster, queues, runs, now_s, policy=policy, until=until, work=work)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    start_s: float
    sure: bool
    found: Found


def _moments(session: Session) -> dict[RunId, _Moment]:
    """When each waiting run starts, as far as anybody knows."""
    now = {run_id: _Moment(start_s=session.now_s, sure=True, found=found) for run_id, found in session.found.items()}
    later = {
        run_id: _Moment(start_s=kept.start_s, sure=kept.sure, found=kept.found) for run_id, kept in session.kept.items()
    }
    return later | now


def _forecast(session: Session, run_id: RunId, place: int, likely: _Moment | None, latest: _Moment | None) -> Forecast:
    bound_s = latest.start_s if latest is not None and latest.sure else np.inf
    if likely is None:
        return Forecast(run_id=run_id, place=place, start_s=np.inf, latest_s=bound_s)
    return Forecast(
        run_id=run_id,
        place=place,
        start_s=min(likely.start_s, bound_s),
        latest_s=bound_s,
        shape=likely.found.choice.shape.name,
        domain=smallest_domain(session.fabric.tree, likely.found.picks.hosts),
        bandwidth=session.bandwidth(likely.found),
    )


def _would(session: Session, request: Waiting) -> _Moment | None:
    kind, plan = request.kind, planned(session)
    options = choices(session.fabric, kind)
    lasts_s = (session.likely and request.expected_s) or request.limit_s or np.inf
    found = session.place(kind, options, clear_until_s=session.now_s + lasts_s)
    if found is not None:
        return _Moment(start_s=session.now_s, sure=True, found=found)
    level = highest_level(session.fabric, kind) or 0
    slots = [(choice, plan.earliest(choice.shape, kind.sizes[-1], level, lasts_s)) for choice in options]
    known = [(choice, slot) for choice, slot in slots if slot is not None]
    if not known:
        return None
    choice, slot = min(known, key=lambda pair: pair[1].start_s)
    return _moment(session, Found(choice=choice, nodes=kind.sizes[-1], picks=slot.picks), slot)


def _moment(session: Session, found: Found, slot: Slot) -> _Moment:
    sure = not session.guessed[found.picks.hosts].any()
    return _Moment(start_s=max(session.now_s, slot.start_s), sure=sure, found=found)


def domain_of(fabric: Fabric, placement: Placement) -> str:
    """The name of the lowest domain of the topology that holds all nodes of a placement."""
    hosts = np.array(sorted(fabric.index[node.host] for node in placement.nodes))
    return smallest_domain(fabric.tree, hosts)
