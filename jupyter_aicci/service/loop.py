"""The control loop: places waiting runs, reads what their nodes say, records what follows, and acts.

Rule 1: journal first, then act; every act is idempotent, so that a crash between the two is repaired by the next start (`adopt`).
Rule 2: nothing is awake without need: spools are read every 25 ms while a run holds nodes; otherwise the loop sleeps until a
request kicks it or a back-off or a deadline is due.
Rule 3: what goes wrong with one run (a full disk, a mistake of ours) is told and tried again, and holds up no other run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from jupyter_aicci.agent.checkpoints import latest_complete
from jupyter_aicci.model.errors import AicciError
from jupyter_aicci.model.events import Event, NodeHeld, NodeReleased, Noted, Placed, PreemptRequested, Stepped
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.placement import Placement
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.states import ExitClass, Step
from jupyter_aicci.model.text import NS
from jupyter_aicci.pricing.budgets import Budget
from jupyter_aicci.pricing.meter import cost_micro, rate_micro_per_h
from jupyter_aicci.service.budgets import Budgets
from jupyter_aicci.service.control import Halt, Now, react
from jupyter_aicci.service.engine import Engine
from jupyter_aicci.service.lazy import one_thread
from jupyter_aicci.service.leftovers import clear as clear_leftovers
from jupyter_aicci.service.limits import cap_t_ns, parse_deadline_ns
from jupyter_aicci.service.reasons import promises, reasons
from jupyter_aicci.service.runs import Runs
from jupyter_aicci.service.seen import Seen
from jupyter_aicci.service.watches import ADOPT_S, Watch, Watches
from jupyter_aicci.store.board import Board
from jupyter_aicci.store.config import Scheduling
from jupyter_aicci.store.frames import FrameStore
from jupyter_aicci.store.paths import Home

if TYPE_CHECKING:
    from jupyter_aicci.scheduler import Preempt, Start
    from jupyter_aicci.service.line import Line

TICK_S = 0.025
AGAIN_S = 1.0  # after something went wrong
TURN_S = 0.02  # while another service of this host decides
SLEEP_MOST_S = 3600.0  # a deadline further away is looked at again then
LOG = logging.getLogger("aicci.service")


def bring_line() -> type[Line]:
    """The scheduler's class; costs 0.1 s and 15 MB once."""
    with one_thread():
        from jupyter_aicci.service.line import Line
    return Line


class Loop:
    """The loop of one service."""

    def __init__(
        self,
        home: Home,
        runs: Runs,
        engine: Engine,
        scheduling: Scheduling | None = None,
        budgets: tuple[Budget, ...] = (),
        board: Board | None = None,
    ) -> None:
        self._home, self._runs, self._engine = home, runs, engine
        self._scheduling = scheduling or Scheduling()
        self.budgets = Budgets(runs, budgets)
        if budgets:
            runs.closed_until_ns = self.budgets.closed_until_ns
        self._line: Line | None = None
        self._board = board
        runs.told = self.told
        self.conditions: Callable[[Run, int], tuple[Event, ...]] = lambda run, now_ns: ()  # what --stop-if brings about
        self.settle: Callable[[Run, Callable[[Run], None]], None] = _at_once  # of a run that has ended; open until then
        self.keep: Callable[[Run, FrameStore], None] = lambda run, store: None  # the frames of a run that goes on
        self.put_away: Callable[[Run, FrameStore | None], None] = _close  # of one that has ended; None: it never began
        self._watches = Watches(home, runs, engine)
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = 0.0
        self._decided_ns = 0
        self._looked_ns = 0  # at the runs that wait
        self._again_ns = 0  # the scheduler is asked again then, after its answer could not be recorded
        self._faults: dict[RunId, tuple[int, str]] = {}  # not before, and what went wrong
        self._changed = True  # whether the scheduler has something to decide

    def adopt(self) -> None:
        """Take over what an earlier service left: leftovers and secrets of ended runs go, every run with nodes is looked at."""
        clear_leftovers(self._home, {run.id for run in self._runs.newest_first()})
        for path in self._home.runs_dir.glob("*/secrets.json"):
            run_id = RunId(path.parent.name)
            if run_id in self._runs and self._runs[run_id].ended:
                self._forget_secrets(self._runs[run_id])
        self.kick()

    def kick(self) -> None:
        """Something changed: look at once."""
        self._changed, self._again_ns = True, 0
        self._plan(0.0)

    def close(self) -> None:
        """Stop looking; runs go on without it."""
        if self._timer is not None:
            self._timer.cancel()
        if self._line is not None:
            self._line.neighbours.close()
        self._watches.close()

    def store(self, run_id: RunId) -> FrameStore | None:
        """The run's open frames, None when the loop has none open."""
        watch = self._watches.get(run_id)
        return watch.feed.store if watch else None

    def last_frame(self, run_id: RunId) -> int:
        """The seq of the run's last frame, 0 when the loop has none open."""
        store = self.store(run_id)
        return store.last_seq if store else 0

    @property
    def line(self) -> Line:
        """The scheduler, brought in when it is first asked."""
        if self._line is None:
            queues = self._scheduling.queues()
            self._line = bring_line()(self._home, self._runs, self._engine, queues, self._board)
        return self._line

    def told(self, run: Run) -> dict[str, Any]:
        """What the scheduler says of a waiting run, as the run's JSON has it; {} where it has said nothing yet."""
        return self._line.told(run) if self._line is not None else {}

    def hasten(self, run_id: RunId, grace_s: float, reason: str) -> None:
        """Stop now with less grace than was asked for before."""
        run, watch = self._runs[run_id], self._watches.get(run_id)
        if run.holds_nodes and watch is not None:
            watch.halted = Halt(grace_s=grace_s, reason=reason)
            self._guarded(run, lambda run: self._engine.stop(run, grace_s, reason))

    def tick(self) -> None:
        """One look at every run that has not ended."""
        self._timer = None
        for run in self._due():
            self._guarded(run, self._look)
        if self._line is not None:
            self._line.neighbours.keep()
        if self._due_again() or self._back_off_over() or self._asked_long_ago():
            self._decide_again()
        self._plan(self._pause_s())

    def _due(self) -> list[Run]:
        """The runs to look at: those that hold nodes, and those that wait where something changed, or once a second."""
        runs, now_ns = self._runs.unfinished(), self._runs.clock.now_ns()
        holding = [run for run in runs if run.holds_nodes]
        if holding and not self._changed and now_ns - self._looked_ns < NS:
            return holding
        self._looked_ns = now_ns
        return runs

    def _due_again(self) -> bool:
        return self._changed and self._runs.clock.now_ns() >= self._again_ns

    def _asked_long_ago(self) -> bool:
        if self._line is None:
            return False
        return 0 < self._line.again_ns() <= self._runs.clock.now_ns() or self._line.news()

    def _decide_again(self) -> None:
        """Ask the scheduler; where the journal takes nothing now, a second later."""
        self._changed, self._decided_ns = False, self._runs.clock.now_ns()
        try:
            if self._runs.unfinished():
                with self.line.neighbours.turn() as ours:
                    self._schedule() if ours else self._ask_again(TURN_S)
            elif self._line is not None:
                self._line.rest()
        except Exception as error:
            LOG.error("scheduling: %s", error, exc_info=not isinstance(error, AicciError))
            self._ask_again()

    def _ask_again(self, after_s: float = AGAIN_S) -> None:
        """Later, since the answer could not be carried out."""
        self._changed, self._again_ns = True, self._decided_ns + int(after_s * NS)

    def _look(self, run: Run) -> None:
        """Read, record, act."""
        if run.holds_nodes and run.id not in self._watches and not self._home.run_dir(run.id).is_dir():
            self._bury(run)
            return
        watch = self._watches.of(run) if run.holds_nodes else None
        if watch is not None:
            self._watches.keep_up(run, watch)
            is_read = self._watches.read(run, watch)
            self.keep(run, watch.feed.store)
            if not is_read:
                return
        reaction = react(run, watch.seen if watch else Seen(attempt=0), self._now(run, watch))
        self._runs.record(reaction.events)
        if watch is not None and self._runs[run.id].holds_nodes:
            self._runs.record(self.conditions(self._runs[run.id], self._runs.clock.now_ns()))
        if watch is not None:
            watch.noted |= {str(event.data["key"]) for event in reaction.events if isinstance(event, Noted)}
            if reaction.halt is not None and watch.halted is None:
                self._engine.stop(run, reaction.halt.grace_s, reaction.halt.reason)
                watch.halted = reaction.halt
        if not self._runs[run.id].holds_nodes and (watch is not None or self._runs[run.id].ended):
            self._let_go(self._runs[run.id])

    def _let_go(self, run: Run) -> None:
        """The run holds nothing any more: others may start; if it has ended, it is settled and put away."""
        self._changed = True
        if self._line is not None:
            self._line.released(run)
        if not run.ended:
            return
        self._faults.pop(run.id, None)
        self._forget_secrets(run)
        self.settle(run, self._put_away)

    def _put_away(self, run: Run) -> None:
        """Nothing is kept of it."""
        watch = self._watches.let_go(run.id)
        self.put_away(run, watch.feed.store if watch is not None else None)

    def _bury(self, run: Run) -> None:
        """End a run whose folder was deleted while no service looked: nothing more can be known of it, nothing run again."""
        now_ns = self._runs.clock.now_ns()
        free = [
            NodeReleased(run_id=run.id, time_ns=now_ns, attempt=attempt.number, node=node)
            for attempt in run.attempts[-1:]
            for node in attempt.held
            if node not in attempt.released
        ]
        reason = f"its folder {self._home.run_dir(run.id)} is gone"
        self._runs.record((*free, self._stepped(run, Step.FAIL, reason, ExitClass.INFRASTRUCTURE)))
        self._let_go(self._runs[run.id])

    def _forget_secrets(self, run: Run) -> None:
        if run.spec.secret:
            self._home.secrets_json(run.id).unlink(missing_ok=True)

    def _now(self, run: Run, watch: Watch | None) -> Now:
        time_ns = self._runs.clock.now_ns()
        return Now(
            time_ns=time_ns,
            spent_micro=cost_micro(run, time_ns),
            per_h_micro=rate_micro_per_h(run),
            checkpoint_ns=watch.seen.checkpoint_ns if watch else (),
            closed=self.budgets.must_end(run) if watch else "",
            deadline_ns=parse_deadline_ns(run.spec.deadline, submitted_ns=run.submitted_ns),
            checkpoint_step=self._watches.checkpoint_step(run, watch) if watch else -1,
            noted=watch.noted if watch else frozenset(),
            broken=watch.broken if watch else "",
            empty=self._watches.empty_nodes(run, watch) if watch else frozenset(),
        )

    def _schedule(self) -> None:
        """Ask, and carry out the answer: who goes has to have gone before another starts in its place."""
        answer = self.line.decide()
        self.line.announce()
        for refused in answer.decisions.never:
            run = self._runs[refused.run_id]
            self._runs.record((self._stepped(run, Step.FAIL, f"{refused.text} {refused.hint}", ExitClass.USER_ERROR),))
        for preempt in answer.decisions.preempts:
            self._guarded(self._runs[preempt.run_id], partial(self._preempt, preempt=preempt))
        for start in answer.decisions.starts:
            if not start.after:
                self._guarded(self._runs[start.run_id], partial(self._place, start=start))
                if not (self._runs[start.run_id].holds_nodes or self._runs[start.run_id].ended):
                    self._ask_again()
        for row in (*promises(self._runs, self.line.promises()), *reasons(self._runs, answer)):
            self._runs.record((row,))

    def _preempt(self, run: Run, *, preempt: Preempt) -> None:
        """From this row on the attempt is to end; the next look has its nodes stopped."""
        attempt = run.attempts[-1]
        if attempt.preempt is None and run.stop is None:
            wish = PreemptRequested(
                run_id=run.id,
                time_ns=self._runs.clock.now_ns(),
                attempt=attempt.number,
                for_run=preempt.for_run,
                reason=preempt.reason,
            )
            self._runs.record((wish,))

    def _place(self, run: Run, *, start: Start) -> None:
        """The nodes are the run's, and paid for, from one row on; then its agents are started."""
        if not self._home.run_dir(run.id).is_dir():
            self._bury(run)
            return
        placement, now_ns = start.placement, self._runs.clock.now_ns()
        number = run.attempt.number + 1 if run.attempt else 1  # not their count: a damaged journal may have lost some
        placed = Placed(
            run_id=run.id,
            time_ns=now_ns,
            attempt=number,
            placement=placement.to_json(),
            port=self._engine.free_port(placement),
            resume_step=latest_complete(self._home.ckpt_dir(run.id), placement.world_size),
            cap_t_ns=self._cap_t_ns(run, placement, now_ns),
        )
        step = Stepped(run_id=run.id, time_ns=now_ns, step=Step.PLACE, attempt=number, reason=placement.why)
        held = [
            NodeHeld(run_id=run.id, time_ns=now_ns, attempt=number, node=node.index, shape=placement.shape.name)
            for node in placement.nodes
        ]
        self._runs.record((placed, step, *held))
        self._start(self._runs[run.id])

    def _cap_t_ns(self, run: Run, placement: Placement, now_ns: int) -> int:
        """When the nodes end by themselves, so that the budget holds although no service may live then."""
        price = run.prices.get(placement.shape.name)
        per_h_micro = price.micro_per_h * len(placement.nodes) if price else 0
        spent_micro, boot_ns = cost_micro(run, now_ns), self._runs.clock.to_boot(now_ns)
        return cap_t_ns(run.spec, spent_micro=spent_micro, per_h_micro=per_h_micro, boot_ns=boot_ns)

    def _start(self, run: Run) -> None:
        """What the engine cannot start, whatever the reason, is an attempt that failed; the next one may succeed."""
        watch = self._watches.of(run)
        watch.adopt_ns = self._runs.clock.now_ns() + int(ADOPT_S * NS)
        try:
            self._engine.start(run)
        except Exception as error:
            known = isinstance(error, (AicciError, OSError))
            LOG.warning(
                "run %s, attempt %d cannot start: %s", run.id, run.attempts[-1].number, error, exc_info=not known
            )
            watch.broken, watch.broken_ns = str(error), self._runs.clock.now_ns()

    def _stepped(self, run: Run, step: Step, reason: str, exit_class: ExitClass) -> Stepped:
        number = run.attempts[-1].number if run.attempts else 0
        now_ns = self._runs.clock.now_ns()
        return Stepped(
            run_id=run.id, time_ns=now_ns, step=step, attempt=number, reason=reason, exit_class=str(exit_class)
        )

    def _back_off_over(self) -> bool:
        now_ns = self._runs.clock.now_ns()
        waiting = (run for run in self._runs.unfinished() if not run.holds_nodes)
        return any(self._decided_ns < run.not_before_ns <= now_ns for run in waiting)

    def _pause_s(self) -> float | None:
        """Seconds to the next look; None when only a request can bring news."""
        now_ns, dues = self._runs.clock.now_ns(), [again_ns for again_ns, _ in self._faults.values()]
        if self._changed:
            dues.append(self._again_ns)
        if self._line is not None and (again_ns := self._line.again_ns()):
            dues.append(again_ns)  # somebody waits, for a budget's next day at the latest
            if look_ns := self._line.look_ns():
                dues.append(look_ns)
        for run in self._runs.unfinished():
            if run.holds_nodes:
                return TICK_S
            deadline_ns = parse_deadline_ns(run.spec.deadline, submitted_ns=run.submitted_ns)
            dues += [due_ns for due_ns in (run.not_before_ns, deadline_ns) if due_ns > now_ns]
        return min(max(0.0, (min(dues) - now_ns) / NS), SLEEP_MOST_S) if dues else None

    def _plan(self, pause_s: float | None) -> None:
        """At most one look is planned: the earliest."""
        if pause_s is None:
            return
        clock = asyncio.get_running_loop()
        due_s = clock.time() + pause_s
        if self._timer is not None:
            if self._due_s <= due_s:
                return
            self._timer.cancel()
        self._due_s, self._timer = due_s, clock.call_at(due_s, self.tick)

    def _guarded(self, run: Run, act: Callable[[Run], None]) -> None:
        """Do it; what goes wrong is told once and tried again a second later."""
        fault = self._faults.get(run.id)
        if fault is not None and self._runs.clock.now_ns() < fault[0]:
            return
        try:
            act(run)
        except Exception as error:
            again_ns = self._runs.clock.now_ns() + int(AGAIN_S * NS)
            if fault is None or fault[1] != str(error):
                LOG.error("run %s: %s", run.id, error, exc_info=not isinstance(error, AicciError))
            self._faults[run.id] = (again_ns, str(error))
        else:
            self._faults.pop(run.id, None)


def _at_once(run: Run, then: Callable[[Run], None]) -> None:
    then(run)


def _close(run: Run, store: FrameStore | None) -> None:
    if store is not None:
        store.close()
