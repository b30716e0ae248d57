"""Other users' runs on this host as the scheduler sees them, and what their services are told of ours.

In: the host's board, the host, our own runs. Out: their running and waiting runs as records of the scheduler, with ids of their
own, on which nobody acts; and our notice for the board.
Rule 1: a neighbour's run takes of ours exactly the CPUs and devices that both have; slots are known by number.
Rule 2: between users the one who has had less has the next turn; priorities order one's own. Both sides know it from the same
numbers as long as neither has queues of his own; else they may differ, which rule 3 settles.
Rule 3: in every minute room is left for a service for `LEAVE_S`: if it does not take it then, it is passed over for the rest of
the minute, so that one that hangs, or sees its turn otherwise, holds up nobody.
Rule 4: while neighbours wait none of our runs gives its place away: one of theirs might get it.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.placement import NodePlacement, Placement
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.model.text import NS
from jupyter_aicci.scheduler import Cluster, Host, Queue, Queues, Running, Runs, Waiting
from jupyter_aicci.scheduler.never import count
from jupyter_aicci.scheduler.queues import DEFAULT
from jupyter_aicci.store.board import Board
from jupyter_aicci.store.clock import Clock
from jupyter_aicci.store.notices import Held, Notice, Want

THEIRS = "~neighbours"  # their queue where ours have rules; no configuration can name it
LEAVE_S, CYCLE_S = 5.0, 60.0
AGAIN_S = 5.0  # what waits is told again, see `store.board`
LOOK_S = 0.25  # while a run of ours waits, how often the board is looked at
KEEP_S = 1.0  # how often it is looked whether our notice is still there
WANTS_TOLD = 20  # of a long line; the others are told when these have started
SHARE_DIGITS = 4  # of the mean share lately, which moves all the time; a minute of the whole host is one


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What the neighbours hold and want now."""

    notices: tuple[Notice, ...] = ()  # that all of this is from
    held: tuple[Running, ...] = ()
    wants: tuple[Waiting, ...] = ()  # those that are left room for
    lately: Mapping[str, float] = field(default_factory=dict)  # mean share that each user had
    services: Mapping[RunId, str] = field(default_factory=dict)  # of all that wait
    text: str = ""  # who they are, for a person whose run waits; "" = nobody is there

    @property
    def ids(self) -> frozenset[RunId]:
        """Their runs."""
        return frozenset([run.run_id for run in self.held] + [run.run_id for run in self.wants])


class Neighbours:
    """The board, read in the scheduler's words."""

    def __init__(self, board: Board | None, clock: Clock, queues: Queues) -> None:
        self._board, self._clock = board, clock
        ruled = len(queues.queues) > 1 or bool(queues.queues[0].limit)
        self._queue = THEIRS if ruled else DEFAULT
        self.queues = replace(queues, queues=(*queues.queues, Queue(name=THEIRS))) if ruled else queues
        self._decided: tuple[Notice, ...] = ()  # what the latest decision knew
        self._looked_ns = self._told_ns = self._kept_ns = 0
        self._told: Notice | None = None
        self._left_ns: dict[str, int] = {}  # by service: since when a waiting run of it could have started

    # ---- what they say ----

    def around(self, whole: Cluster, ours: Iterable[Placement]) -> Around:
        """What counts now; a service that lets its turn pass is left no room. `ours`: what our runs hold."""
        notices = self._board.others() if self._board is not None else ()
        if not notices:
            return Around()
        host, known = whole.hosts[0], {shape.name: shape for shape in whole.shapes}
        held = {
            run.run_id: run for notice in notices for each in notice.held if (run := self._held(notice, each, host))
        }
        taken = {cpu for placement in (*ours, *(run.placement for run in held.values())) for cpu in _cpus(placement)}
        free = set(host.cpus) - taken
        wants = {
            _id(notice, want.run): (notice.source, self._waiting(notice, want))
            for notice in notices
            for want in notice.wants
            if _could_be_ours(notice, want, known, free) and _id(notice, want.run) not in held
        }
        services = {run_id: service for run_id, (service, _) in wants.items()}
        self._left_ns = {key: since for key, since in self._left_ns.items() if key in services.values()}
        return Around(
            notices=notices,
            held=tuple(held.values()),
            wants=tuple(run for service, run in wants.values() if not self._passed_over(service)),
            lately=sum((Counter({notice.user: notice.lately}) for notice in notices), Counter()),
            services=services,
            text=_who([run.run.user for run in held.values()], [run.user for _, run in wants.values()]),
        )

    def decided(self, around: Around, could_start: Iterable[RunId]) -> None:
        """A decision knew this, and as it has it these of their runs could start, from now on or since before."""
        now_ns = self._looked_ns = self._clock.now_ns()
        self._decided = _essence(around.notices)
        services = {around.services[run_id] for run_id in could_start if run_id in around.services}
        passed = {key: since_ns for key, since_ns in self._left_ns.items() if self._passed_over(key)}
        self._left_ns = passed | {key: self._left_ns.get(key, now_ns) for key in services}

    def look_ns(self) -> int:
        """When the board is to be looked at again; 0 = nobody is there."""
        return self._looked_ns + int(LOOK_S * NS) if self._decided else 0

    def moved(self) -> bool:
        """Whether there is news since the latest decision, or somebody's time to take his turn begins or is over."""
        before_ns, self._looked_ns = self._looked_ns, self._clock.now_ns()
        turned = any(self._passed_over(key) != self._passed_over(key, before_ns) for key in self._left_ns)
        said = self._board.others() if self._board is not None else ()
        return turned or _essence(said) != self._decided

    def _passed_over(self, service: str, now_ns: int = 0) -> bool:
        since_ns = self._left_ns.get(service)
        if since_ns is None:
            return False
        return ((now_ns or self._clock.now_ns()) - since_ns) / NS % CYCLE_S >= LEAVE_S

    def _held(self, notice: Notice, held: Held, host: Host) -> Running | None:
        """The part of a neighbour's run that is on our slots; None = nothing."""
        cpus = tuple(cpu for cpu in held.cpus if cpu in host.cpus)
        devices = tuple(device for device in held.devices if device in host.devices)
        if not cpus and not devices:
            return None
        shape = Shape(
            name=held.shape,
            accelerator=host.accelerator if devices else "",
            accelerators=len(devices),
            accelerator_milli=held.accelerator_milli,
            cpus=len(cpus),
        )
        node = NodePlacement(index=0, host=host.name, address=host.address, cpus=cpus, devices=devices)
        since_ns = self._clock.from_boot(held.since_boot_ns)
        run = Waiting(
            run_id=_id(notice, held.run),
            shapes=(held.shape,),
            queue=self._queue,
            user=notice.user,
            submitted_ns=since_ns,
            limit_s=held.limit_s,
            expected_s=held.expected_s,
        )
        return Running(run=run, placement=Placement(shape=shape, ranks_per_node=1, nodes=(node,)), started_ns=since_ns)

    def _waiting(self, notice: Notice, want: Want) -> Waiting:
        return Waiting(
            run_id=_id(notice, want.run),
            shapes=want.shapes,
            nodes=want.nodes,
            min_nodes=want.min_nodes,
            ranks_per_node=want.ranks_per_node,
            queue=self._queue,
            user=notice.user,
            submitted_ns=self._clock.from_boot(want.since_boot_ns),
            limit_s=want.limit_s,
            expected_s=want.expected_s,
        )

    def join(self, asks: Runs, around: Around) -> Runs:
        """Our runs and theirs; theirs with our highest priority, so that it decides nothing between users."""
        priority = int(asks.waiting["priority"].max(initial=0))
        theirs = [replace(want, priority=priority) for want in around.wants]
        recent = dict(asks.recent)
        for user, share in around.lately.items():
            recent[self._queue, user] = recent.get((self._queue, user), 0.0) + share
        joined = asks.submitted(*theirs).started(*around.held).knowing(recent=recent)
        return joined.staying() if around.services else joined

    # ---- what they are told ----

    def turn(self) -> AbstractContextManager[bool]:
        """Nobody else on this host decides meanwhile; False = somebody does now."""
        return self._board.turn() if self._board is not None else nullcontext(True)

    def tell(self, notice: Notice) -> None:
        """Say it on the board; what is there already is said again only while something waits, so that it counts as fresh."""
        now_ns = self._clock.now_ns()
        again = bool(notice.wants) and now_ns - self._told_ns > AGAIN_S * NS
        if self._board is not None and (notice != self._told or again):
            self._told, self._told_ns = (notice if self._board.tell(notice) else None), now_ns

    def keep(self) -> None:
        """See that what we hold stays told, whoever cleared the board."""
        now_ns = self._clock.now_ns()
        if self._board is None or self._told is None or now_ns - self._kept_ns < KEEP_S * NS:
            return
        self._kept_ns = now_ns
        if not self._board.stands():
            self._board.tell(self._told)

    def close(self) -> None:
        """The service ends; what its runs hold stays told, since they go on."""
        if self._board is not None and self._told is not None and not self._told.held:
            self._board.leave()


def notice_of(asks: Runs, *, waits: Iterable[RunId], clock: Clock, part_cpus: tuple[int, ...], lately: float) -> Notice:
    """Our notice. `asks`: our runs, with those that start now started; `waits`: those that wait for room and nothing else."""
    told, since_s = set(waits), asks.waiting["wait_since_s"].tolist()
    rows = (row for row, run_id in enumerate(asks.waiting_ids) if run_id in told)
    return Notice(
        lately=round(lately, SHARE_DIGITS),
        part_cpus=part_cpus,
        held=tuple(_held_row(asks, row, clock) for row in range(len(asks.running_ids))),
        wants=tuple(_want_row(asks, row, clock) for row in heapq.nsmallest(WANTS_TOLD, rows, key=since_s.__getitem__)),
    )


def _held_row(asks: Runs, row: int, clock: Clock) -> Held:
    placement, record = asks.placements[row], asks.running[row]
    return Held(
        run=asks.running_ids[row],
        shape=placement.shape.name,
        cpus=tuple(cpu for node in placement.nodes for cpu in node.cpus),
        devices=tuple(device for node in placement.nodes for device in node.devices),
        accelerator_milli=placement.shape.accelerator_milli,
        since_boot_ns=max(0, clock.to_boot(int(record["started_s"] * NS))),
        limit_s=_known(record["limit_s"]),
        expected_s=_known(record["expected_s"]),
    )


def _want_row(asks: Runs, row: int, clock: Clock) -> Want:
    record, kind = asks.waiting[row], asks.kinds[int(asks.waiting["kind"][row])]
    return Want(
        run=asks.waiting_ids[row],
        shapes=kind.shapes,
        nodes=kind.nodes,
        min_nodes=kind.min_nodes,
        ranks_per_node=kind.ranks_per_node,
        since_boot_ns=max(0, clock.to_boot(int(record["wait_since_s"] * NS))),
        limit_s=_known(record["limit_s"]),
        expected_s=_known(record["expected_s"]),
    )


def _known(seconds: float) -> float:
    """Seconds as a notice has them: 0 = there is no limit, or nobody knows."""
    return float(seconds) if 0 < seconds < 1e12 else 0.0


def _essence(notices: Iterable[Notice]) -> tuple[Notice, ...]:
    """What is said, without what moves all the time."""
    return tuple(replace(notice, told_boot_ns=0, lately=0.0) for notice in notices)


def _id(notice: Notice, run: str) -> RunId:
    return RunId(f"{run} of {notice.user}")


def _cpus(placement: Placement) -> Iterable[int]:
    return (cpu for node in placement.nodes for cpu in node.cpus)


def _could_be_ours(notice: Notice, want: Want, known: Mapping[str, Shape], free: set[int]) -> bool:
    """Whether the run waits for anything that we might take: a service that keeps to a part of the host waits for that part."""
    shapes = [known.get(name) for name in want.shapes if name != "auto"]
    if None in shapes:
        return False
    if not notice.part_cpus or any(shape and shape.accelerators for shape in shapes):
        return True
    least = min((shape.cpus for shape in shapes if shape), default=1) * (want.min_nodes or want.nodes)
    return least <= len(free.intersection(notice.part_cpus))


def _who(holders: list[str], waiters: list[str]) -> str:
    """`alice has 1 running run and 2 waiting ones on this host`, for each user."""
    return "; ".join(
        f"{user} has {count(holders.count(user), 'running run')} and {waiters.count(user)} waiting on this host"
        for user in sorted({*holders, *waiters})
    )
