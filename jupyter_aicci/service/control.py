"""What follows for one run from what its nodes have said: rows for the journal, and whether its nodes are to be stopped.

    react(run, seen, now) -> Reaction(events, halt)

In: the run as the journal has it, and what its agents have said (`Seen`). Out: the rows that bring the first up to the second.
Rule 1: it compares levels, not edges: rows that are there already are not asked for again, so it may be called at any moment, any
number of times, and after a crash between any two steps it asks for what is still missing.
Rule 2: a run ends only when nothing of it lives on any node; the verdict is made then, with every exit known.
Rule 3: pure. Money and limits come in as `Now`; what is to be done goes out as data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial, reduce

from jupyter_aicci import faults
from jupyter_aicci.model.events import (
    Event,
    NodeHeld,
    NodeReleased,
    Noted,
    PreemptRequested,
    RankExited,
    Stepped,
    StopRequested,
)
from jupyter_aicci.model.run import Attempt, Run, apply
from jupyter_aicci.model.states import ExitClass, State, Step
from jupyter_aicci.model.text import NS
from jupyter_aicci.service.limits import Spending, budget_warning, over_limit, too_little_left
from jupyter_aicci.service.seen import Exit, Seen

SETTLE_NS = NS // 5  # after a failure, so that ranks of other nodes can still tell what they saw


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """The moment, and what the shell knows about the run beside its rows."""

    time_ns: int
    spent_micro: int = 0
    per_h_micro: int = 0  # what the nodes that it holds cost
    checkpoint_ns: tuple[int, ...] = ()  # how long its checkpoints took
    closed: str = ""  # why nobody may spend more for its owner or its queue, "" = they may
    deadline_ns: int = 0
    checkpoint_step: int = -1  # latest complete checkpoint on disk
    broken: str = ""  # why the engine could not start the attempt, "" = it could
    empty: frozenset[int] = frozenset()  # nodes of such an attempt on which nothing was ever started
    noted: frozenset[str] = frozenset()  # keys of notes that the journal has


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """The nodes of the latest attempt are to end."""

    grace_s: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """Rows first, then the act."""

    events: tuple[Event, ...] = ()
    halt: Halt | None = None


def react(run: Run, seen: Seen, now: Now) -> Reaction:
    """The rows that are missing, and the halt that is due."""
    if run.ended:
        return Reaction()
    events: list[Event] = []
    for find in (_cut_off, partial(_facts, seen=seen), _limits):
        found = find(run, now=now)
        events += found
        run = reduce(apply, found, run)
    if not run.holds_nodes:
        return Reaction(events=(*events, *_stop_waiting(run, now)))
    attempt = _attempt(run)
    if len(attempt.released) == len(attempt.placement.nodes):
        return Reaction(events=(*events, *end_attempt(run, now)))
    return Reaction(events=tuple(events), halt=_halt(run, attempt, now))


def _attempt(run: Run) -> Attempt:
    assert run.attempt is not None, "a run that holds nodes has an attempt"
    return run.attempt


def rank_count(run: Run, attempt: Attempt) -> int:
    """Ranks of an attempt as its agents count them: one a node where a launcher starts the program."""
    return len(attempt.placement.nodes) if run.spec.launcher else attempt.placement.world_size


def _cut_off(run: Run, now: Now) -> list[Event]:
    """The rest of a transaction, part of which a damaged journal has lost (`store/salvage.py`): no run hangs in between, and an
    attempt that lives has its nodes again before the scheduler gives it others."""
    found: list[Event] = []
    match run.state:
        case State.SUBMITTED:
            found.append(_stepped(run, Step.ENQUEUE, now.time_ns, reason="waits for its nodes"))
        case State.LOST | State.PREEMPTED:
            reason = "its next attempt was due when the journal was damaged"
            found.append(_stepped(run, Step.REQUEUE, now.time_ns, reason=reason))
    attempt = run.attempt
    if attempt is None or attempt.ended_ns:
        return found
    if not run.holds_nodes:
        found.append(_stepped(run, Step.PLACE, now.time_ns, reason=attempt.placement.why))
    shape = attempt.placement.shape.name
    held = [
        NodeHeld(run_id=run.id, time_ns=attempt.placed_ns, attempt=attempt.number, node=node.index, shape=shape)
        for node in attempt.placement.nodes
        if node.index not in attempt.held
    ]
    return [*found, *held]


def _facts(run: Run, seen: Seen, now: Now) -> list[Event]:
    """Rows for what the agents said and the journal does not have."""
    if not run.holds_nodes or seen.attempt != _attempt(run).number:
        return []
    attempt, events = _attempt(run), list[Event]()
    began = {rank: exit_.time_ns for rank, exit_ in seen.exits.items()} | seen.started
    if run.state is State.STARTING and len(began) >= rank_count(run, attempt):
        events.append(_stepped(run, Step.RUN, max(began.values()), reason="every rank runs the program"))
    events += [_exited(run, attempt, exit_) for rank, exit_ in sorted(seen.exits.items()) if rank not in attempt.exits]
    events += [
        Noted(
            run_id=run.id, time_ns=note.time_ns, topic=note.topic, text=note.text, data={**note.data, "key": note.key}
        )
        for note in seen.notes
        if note.key not in now.noted
    ]
    free = dict.fromkeys(now.empty, now.time_ns) | seen.done
    events += [
        _node_released(run, attempt, node, free_ns, seen.down_ns.get(node, free_ns))
        for node, free_ns in sorted(free.items())
        if node not in attempt.released
    ]
    return sorted(events, key=lambda event: event.time_ns)


def _node_released(run: Run, attempt: Attempt, node: int, free_ns: int, down_ns: int) -> NodeReleased:
    """A node that is free; where its machine went down, from its last sign of life on nobody knows whether it was held."""
    free_ns = max(free_ns, attempt.held[node])
    end_ns = max(min(down_ns, free_ns), attempt.held[node])
    return NodeReleased(
        run_id=run.id, time_ns=end_ns, attempt=attempt.number, node=node, unverified_ns=free_ns - end_ns
    )


def _exited(run: Run, attempt: Attempt, exit_: Exit) -> RankExited:
    frame = exit_.frame
    return RankExited(
        run_id=run.id, time_ns=exit_.time_ns, attempt=attempt.number, rank=exit_.rank, code=int(frame["code"]),
        signal=int(frame["signal"]), by_us=bool(frame["by_us"]), oom=bool(frame["oom"]), source=str(frame["source"]),
        maxrss_bytes=int(frame.get("maxrss_bytes") or 0), error=dict(frame["error"] or {}),
    )  # fmt: skip


def _limits(run: Run, now: Now) -> list[Event]:
    if run.stop:
        return []
    spending = Spending(spent_micro=now.spent_micro, per_h_micro=now.per_h_micro, checkpoint_ns=now.checkpoint_ns)
    wish = over_limit(run, deadline_ns=now.deadline_ns, spending=spending, closed=now.closed, now_ns=now.time_ns)
    if wish:
        return [wish]
    warning = budget_warning(run, spending, now_ns=now.time_ns)
    return [warning] if warning and warning.data["key"] not in now.noted and not run.budget_note else []


def _stop_waiting(run: Run, now: Now) -> list[Event]:
    """A run that holds nothing stops at once."""
    return [_stopped(run, run.stop, now)] if run.stop else []


def _halt(run: Run, attempt: Attempt, now: Now) -> Halt | None:
    if run.stop:
        return Halt(grace_s=run.stop.grace_s, reason=run.stop.reason)
    if attempt.preempt:
        return Halt(grace_s=run.spec.grace, reason=attempt.preempt.reason)
    if now.broken:
        return Halt(grace_s=0.0, reason=f"the attempt could not be started: {now.broken}")
    failed = [exit_ for exit_ in attempt.exits.values() if _failed(exit_)]
    first = min(failed, key=lambda exit_: exit_.time_ns, default=None)
    if first is None or now.time_ns - first.time_ns < SETTLE_NS:
        return None
    return Halt(grace_s=run.spec.grace, reason=f"rank {first.rank} ended before the others")


def end_attempt(run: Run, now: Now) -> list[Event]:
    """The rows that end an attempt of which nothing lives any more."""
    attempt = _attempt(run)
    exits = tuple(exit_ for _, exit_ in sorted(attempt.exits.items()))
    well = len(exits) == rank_count(run, attempt) and not any(_failed(exit_) for exit_ in exits)
    if run.stop and _stop_came_first(run.stop.time_ns, exits, well=well):
        return [_stopped(run, run.stop, now)]
    if attempt.preempt and _gave_way(attempt.preempt, exits, well=well):
        return _preempted(run, attempt.preempt, now)
    if well:
        return [_stepped(run, Step.SUCCEED, now.time_ns, reason="every rank ended with exit code 0")]
    return fail_attempt(run, exits, now)


def fail_attempt(run: Run, exits: tuple[RankExited, ...], now: Now) -> list[Event]:
    """FAIL, or LOSE and REQUEUE where the fault is not the program's and retries are left."""
    verdict = faults.judge(exits)
    if now.broken:
        text = f"the attempt could not be started: {now.broken}"
        verdict = faults.Verdict(exit_class=ExitClass.INFRASTRUCTURE, text=text, place=text)
    retry = faults.retry_decision(run, verdict, checkpoint_step=now.checkpoint_step, now_ns=now.time_ns)
    body = verdict.to_json()
    poor = too_little_left(run, now.spent_micro) if retry.again else ""
    if poor:
        text = f"{verdict.text}; {poor}, so it is not tried again"
        budget = str(ExitClass.BUDGET)
        return [_stepped(run, Step.FAIL, now.time_ns, reason=text, exit_class=budget, verdict=body)]
    if not retry.again:
        exit_class = str(retry.exit_class or verdict.exit_class)
        return [
            _stepped(
                run, Step.FAIL, now.time_ns, reason=retry.text or verdict.text, exit_class=exit_class, verdict=body
            )
        ]
    lose = _stepped(run, Step.LOSE, now.time_ns, reason=verdict.text, exit_class=str(verdict.exit_class), verdict=body)
    again = _stepped(run, Step.REQUEUE, now.time_ns, reason=retry.text, not_before_ns=retry.not_before_ns)
    return [lose, again]


def _gave_way(preempt: PreemptRequested, exits: tuple[RankExited, ...], *, well: bool) -> bool:
    """Whether the attempt ended to make room: a program that had finished when it was to be told has succeeded."""
    if well and not any(exit_.by_us for exit_ in exits):
        return False
    return _stop_came_first(preempt.time_ns, exits, well=well)


def _preempted(run: Run, preempt: PreemptRequested, now: Now) -> list[Event]:
    """Back into its queue, to go on from its last checkpoint; no retry is used up."""
    reason = f"gave its nodes to {preempt.for_run}: {preempt.reason}"
    gone = _stepped(run, Step.PREEMPT, now.time_ns, reason=reason, exit_class=str(ExitClass.PREEMPTED))
    goes_on = f"from checkpoint step {now.checkpoint_step}" if now.checkpoint_step >= 0 else "from the beginning"
    return [gone, _stepped(run, Step.REQUEUE, now.time_ns, reason=f"{reason}; it goes on {goes_on}")]


def _stop_came_first(asked_ns: int, exits: tuple[RankExited, ...], *, well: bool) -> bool:
    """Whether the wish is why the run ends: nothing had failed by itself before it, nor had everything ended well."""
    before = [exit_ for exit_ in exits if exit_.time_ns < asked_ns]
    if any(_failed(exit_) and not exit_.by_us for exit_ in before):
        return False
    return not well or len(before) < len(exits)


def _failed(exit_: RankExited) -> bool:
    return exit_.code != 0 or exit_.signal != 0


def _stopped(run: Run, stop: StopRequested | None, now: Now) -> Stepped:
    assert stop is not None
    return _stepped(run, Step.STOP, now.time_ns, reason=stop.reason, exit_class=stop.exit_class)


def _stepped(run: Run, step: Step, time_ns: int, **more: object) -> Stepped:
    number = run.attempt.number if run.attempt else 0
    return Stepped(run_id=run.id, time_ns=time_ns, step=step, attempt=number, **more)  # type: ignore[arg-type]
