"""What the loop keeps of the runs that hold nodes: their frames, what was seen in them, and how their agents are.

Rule 1: all of it can be had again from disk; a service that starts makes it anew.
Rule 2: nothing is recorded or decided here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jupyter_aicci.agent.checkpoints import latest_complete
from jupyter_aicci.model.events import Noted
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.text import NS
from jupyter_aicci.service.control import Halt
from jupyter_aicci.service.engine import Engine
from jupyter_aicci.service.exit_files import with_exit_files
from jupyter_aicci.service.feed import Feed
from jupyter_aicci.service.runs import Runs
from jupyter_aicci.service.seen import Seen, see
from jupyter_aicci.store.paths import Home

SHOW_UP_S = 2.0  # an agent that was started has its claim by then
ADOPT_S = 0.25  # an agent that died is replaced after that
COME_UP_S = 30.0  # an agent that is still missing then has something wrong with it
LAST_ROUNDS = 4  # of reading in one look when the last node is free


@dataclass(slots=True, kw_only=True)
class Watch:
    """One run that holds nodes."""

    feed: Feed
    seen: Seen
    noted: frozenset[str]
    halted: Halt | None = None
    broken: str = ""  # why the engine could not start the attempt
    broken_ns: int = 0
    since_ns: int  # when this service began to watch the attempt
    adopt_ns: int = 0  # when its agents are looked for next


class Watches:
    """The runs that are watched, by id."""

    def __init__(self, home: Home, runs: Runs, engine: Engine) -> None:
        self._home, self._runs, self._engine = home, runs, engine
        self._by_run: dict[RunId, Watch] = {}

    def __contains__(self, run_id: RunId) -> bool:
        return run_id in self._by_run

    def get(self, run_id: RunId) -> Watch | None:
        """The run's watch, None where it is not watched."""
        return self._by_run.get(run_id)

    def let_go(self, run_id: RunId) -> Watch | None:
        """The same, and nothing is kept of it; the frames stay open for the caller."""
        return self._by_run.pop(run_id, None)

    def close(self) -> None:
        """Close all frames; runs go on without it."""
        for watch in self._by_run.values():
            watch.feed.close()

    def of(self, run: Run) -> Watch:
        """The run's watch, made from what is on disk where there is none, begun anew for a new attempt."""
        number = run.attempts[-1].number
        watch = self._by_run.get(run.id)
        if watch is None:
            feed = Feed(self._home, run.id, self._runs.clock)
            seen = see(Seen(attempt=number), feed.of_attempt(number))
            watch = self._by_run[run.id] = Watch(
                feed=feed, seen=seen, noted=self._noted(run), since_ns=self._runs.clock.now_ns()
            )
        elif watch.seen.attempt != number:
            fresh = Seen(attempt=number, checkpoint_ns=watch.seen.checkpoint_ns)
            watch.seen = see(fresh, watch.feed.of_attempt(number))  # there are some where a damaged journal has lost it
            watch.halted, watch.broken, watch.adopt_ns = None, "", 0
            watch.since_ns = self._runs.clock.now_ns()
        return watch

    def keep_up(self, run: Run, watch: Watch) -> None:
        """See to it that every node has its agent: at the first look, and four times a second after it."""
        now_ns, attempt = self._runs.clock.now_ns(), run.attempts[-1]
        if watch.broken or now_ns < watch.adopt_ns:
            return
        watch.adopt_ns = now_ns + int(ADOPT_S * NS)
        self._engine.adopt(run)
        if now_ns - watch.since_ns > int(COME_UP_S * NS) and self._without_agent(run):
            log = self._home.node_dir(run.id, attempt.number, min(self._without_agent(run))) / "agent.log"
            watch.broken, watch.broken_ns = f"an agent does not come up; {log} says why", now_ns

    def read(self, run: Run, watch: Watch) -> bool:
        """What the spools have, so much of each in one look. False = every node is free and there is more, of a run that nobody
        watched for long: it has not ended for us before all is read."""
        nodes = len(run.attempts[-1].placement.nodes)
        for _ in range(LAST_ROUNDS):
            fresh = watch.feed.take(self._engine.observe(run, watch.feed.cursors))
            watch.seen = with_exit_files(see(watch.seen, fresh), partial(self._node_dir, run), self._runs.clock)
            if fresh:
                self._runs.bell.ring()
            if not fresh or len(watch.seen.done) < nodes:
                return True
        return False

    def checkpoint_step(self, run: Run, watch: Watch) -> int:
        """The newest complete checkpoint; looked for only when it decides about another attempt."""
        placement = run.attempts[-1].placement if run.attempts else None
        if placement is None or (len(watch.seen.done) < len(placement.nodes) and not watch.broken):
            return -1
        return latest_complete(self._home.ckpt_dir(run.id), placement.world_size)

    def empty_nodes(self, run: Run, watch: Watch) -> frozenset[int]:
        """Nodes of an attempt that could not be started, on which no agent has shown itself for a while."""
        if not watch.broken or self._runs.clock.now_ns() - watch.broken_ns < int(SHOW_UP_S * NS):
            return frozenset()
        return self._without_agent(run)

    def _node_dir(self, run: Run, node: int) -> Path:
        return self._home.node_dir(run.id, run.attempts[-1].number, node)

    def _without_agent(self, run: Run) -> frozenset[int]:
        """Nodes of the latest attempt where no agent has left its claim."""
        attempt = run.attempts[-1]
        dirs = {node.index: self._home.node_dir(run.id, attempt.number, node.index) for node in attempt.placement.nodes}
        return frozenset(index for index, path in dirs.items() if not (path / "agent.claim").exists())

    def _noted(self, run: Run) -> frozenset[str]:
        rows = self._runs.journal.rows(run.id)
        return frozenset(str(event.data.get("key", "")) for _, event in rows if isinstance(event, Noted))
