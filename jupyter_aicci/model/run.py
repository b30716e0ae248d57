"""A run's present, folded from its journal rows.

Rule: `fold` is the only way to a `Run`; service, client, timeline and tests all read the same fields.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from jupyter_aicci.model.events import (
    Corrected,
    Event,
    NodeHeld,
    NodeReleased,
    Noted,
    Placed,
    PreemptRequested,
    RankExited,
    Stepped,
    StopRequested,
    Submitted,
)
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.placement import Placement, placement_from_json
from jupyter_aicci.model.shapes import Price, price_from_json
from jupyter_aicci.model.spec import RunSpec, spec_from_json
from jupyter_aicci.model.states import HOLDS_NODES, TERMINAL, State, Step, advance


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One gang start."""

    number: int  # 1 is the first
    placement: Placement
    port: int
    placed_ns: int
    resume_step: int = -1
    cap_t_ns: int = 0  # boot time from which its nodes end by themselves, 0 = none
    running_ns: int = 0  # 0 = never ran
    ended_ns: int = 0  # 0 = still going
    held: dict[int, int] = field(default_factory=dict)  # node -> since
    released: dict[int, int] = field(default_factory=dict)  # node -> when
    unverified: dict[int, int] = field(
        default_factory=dict
    )  # node -> ns after that, if nobody knows whether it was held
    exits: dict[int, RankExited] = field(default_factory=dict)  # rank -> how it ended
    preempt: PreemptRequested | None = None  # it is to give way
    gave_way: bool = False  # it ended because it was to


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything known about one run."""

    id: RunId
    spec: RunSpec
    prices: dict[str, Price]
    state: State
    submitted_ns: int
    started_ns: int = 0  # first time its nodes were held
    ended_ns: int = 0
    reason: str = ""
    exit_class: str = ""
    verdict: dict[str, Any] = field(default_factory=dict)
    not_before_ns: int = 0
    attempts: tuple[Attempt, ...] = ()
    stop: StopRequested | None = None
    waiting: str = ""  # why it waited in words, when its class last changed
    why: str = ""  # that class
    promise: dict[str, Any] = field(default_factory=dict)  # where and when it starts at the latest, as it was told
    lost: int = 0  # attempts that ended in LOSE
    corrections: tuple[Corrected, ...] = ()  # of its bill
    true_since_ns: int = 0  # since when its --stop-if is true, 0 = it is not, or not for long
    budget_note: str = ""  # how much of its budget is spent, since that is worth telling
    settled: bool = False  # whether its journal says what was wrong with it and where its money went

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def ended(self) -> bool:
        return self.state in TERMINAL

    @property
    def holds_nodes(self) -> bool:
        return self.state in HOLDS_NODES

    @property
    def attempt(self) -> Attempt | None:
        """The latest attempt."""
        return self.attempts[-1] if self.attempts else None

    @property
    def shape(self) -> str:
        """The shape it got, or the ones it asked for."""
        return self.attempts[-1].placement.shape.name if self.attempts else ",".join(self.spec.shape)

    @property
    def price(self) -> Price:
        """Price per node and hour of the shape it got; nothing, in the book's currency, before it has one."""
        currency = next((price.currency for price in self.prices.values()), "USD")
        return self.prices.get(self.shape, Price(micro_per_h=0, currency=currency))

    @property
    def price_is_open(self) -> bool:
        """Whether it may come to cost something, and how much depends on the shape that it gets."""
        return self.shape not in self.prices and any(
            price.micro_per_h or not price.known for price in self.prices.values()
        )

    @property
    def unpriced(self) -> bool:
        """Whether part of its bill is not known: it held, or is to hold, nodes whose price nobody has set."""
        held = {attempt.placement.shape.name for attempt in self.attempts if attempt.held}
        return any(not self.prices[shape].known for shape in held | {self.shape} if shape in self.prices)

    @property
    def cost_known(self) -> bool:
        """Whether anything can be said of its cost: not where all that it held or is to hold has no price."""
        held = {attempt.placement.shape.name for attempt in self.attempts if attempt.held} or {self.shape}
        return any(shape not in self.prices or self.prices[shape].known for shape in held)


def fold(events: Iterable[Event]) -> Run:
    """The run that these rows (all of one run, in journal order, `Submitted` first) add up to."""
    rows = iter(events)
    first = next(rows)
    if not isinstance(first, Submitted):
        raise ValueError(f"a run's first row is 'submitted', found '{first.kind}'")
    run = Run(
        id=first.run_id,
        spec=spec_from_json(first.spec),
        prices={name: price_from_json(price) for name, price in first.prices.items()},
        state=State.SUBMITTED,
        submitted_ns=first.time_ns,
    )
    for event in rows:
        run = apply(run, event)
    return run


def apply(run: Run, event: Event) -> Run:
    """The run after one more row."""
    match event:
        case Stepped():
            return _step(run, event)
        case Placed():
            attempt = Attempt(
                number=event.attempt,
                placement=placement_from_json(event.placement),
                port=event.port,
                placed_ns=event.time_ns,
                resume_step=event.resume_step,
                cap_t_ns=event.cap_t_ns,
            )
            return replace(run, attempts=(*run.attempts, attempt))
        case NodeHeld():
            held = _numbered(run, event.attempt, held={event.node: event.time_ns})
            return replace(run, attempts=held, started_ns=run.started_ns or event.time_ns)
        case NodeReleased():
            return replace(run, attempts=_released(run, event))
        case RankExited():
            return replace(run, attempts=_numbered(run, event.attempt, exits={event.rank: event}))
        case StopRequested():
            return replace(run, stop=run.stop or event)
        case PreemptRequested():
            return _told_to_go(run, event)
        case Corrected():
            return replace(run, corrections=(*run.corrections, event))
        case Noted(topic="waiting"):
            return replace(run, waiting=event.text, why=str(event.data.get("class", "")))
        case Noted(topic="stop-if"):
            return replace(run, true_since_ns=int(event.data.get("since_ns", 0)))
        case Noted(topic="budget"):
            return replace(run, budget_note=event.text)
        case Noted(topic="promise"):
            return replace(run, promise=event.data)
        case Noted(topic="bill"):
            return replace(run, settled=True)
    return run


def _latest(run: Run, **changes: Any) -> Run:
    """The run with its latest attempt changed."""
    return replace(run, attempts=(*run.attempts[:-1], replace(run.attempts[-1], **changes)))


def _numbered(run: Run, number: int, **facts: dict[int, Any]) -> tuple[Attempt, ...]:
    """The run's attempts with facts added to one; not always the latest, as a node may end after the next is placed.

    What is known already stays: the journal keeps the first row of a fact. Raises `ValueError` for an unknown attempt.
    """
    if not any(attempt.number == number for attempt in run.attempts):
        raise ValueError(f"run {run.id} has no attempt {number}")
    return tuple(
        replace(attempt, **{name: new | getattr(attempt, name) for name, new in facts.items()})
        if attempt.number == number
        else attempt
        for attempt in run.attempts
    )


def _released(run: Run, event: NodeReleased) -> tuple[Attempt, ...]:
    unverified = {event.node: event.unverified_ns} if event.unverified_ns else {}
    return _numbered(run, event.attempt, released={event.node: event.time_ns}, unverified=unverified)


def _told_to_go(run: Run, event: PreemptRequested) -> Run:
    return replace(
        run,
        attempts=tuple(
            replace(attempt, preempt=attempt.preempt or event) if attempt.number == event.attempt else attempt
            for attempt in run.attempts
        ),
    )


def _step(run: Run, event: Stepped) -> Run:
    state = advance(run.state, event.step)
    if event.step in (Step.PLACE, Step.SUCCEED):  # what was wrong with the attempt before is over
        run = replace(run, reason="", exit_class="", verdict={}, waiting="", why="", promise={})
    changed = replace(
        run,
        state=state,
        reason=event.reason or run.reason,
        exit_class=event.exit_class or run.exit_class,
        verdict=event.verdict or run.verdict,
        not_before_ns=event.not_before_ns,
        lost=run.lost + (event.step is Step.LOSE),
        ended_ns=event.time_ns if state in TERMINAL else 0,
    )
    if event.step is Step.RUN:
        return _latest(changed, running_ns=event.time_ns)
    if run.holds_nodes and not changed.holds_nodes:
        return _latest(changed, ended_ns=event.time_ns, gave_way=event.step is Step.PREEMPT)
    return changed
