"""The agent: watches one node of an attempt and says in its spool what it sees.

In: the node directory: plan.json, claims, exit files, done.json, the ranks' spools. Out: agent.spool; a keeper where there is none.
Rule 1: whatever it knows is on disk or can be had again; killed at any moment, the next agent reads its spool and goes on, and
every `exit` and `done` is said once.
Rule 2: it is the parent of nothing that matters. It holds a pidfd of every rank, which still tells how a rank ended when the keeper
was killed together with it.
Rule 3: small and quick: standard library, no dataclasses, started with -I -S; under 40 MB.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

from .files import read_json, set_role
from .frames import SpoolWriter, boot_ns, read_spool
from .hang import HangWatch
from .identity import alive, open_pidfd, read_claim, take_claim
from .sampling import Sampler
from .sampling.pace import Pace
from .warmstart import cold_keeper, fork_keeper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

NS = 1_000_000_000
QUICK_MS = 2  # while something is known to be about to happen: a claim, an exit file
QUICK_FOR_NS = NS
SLOW_MS = 50
KEEPER_AGAIN_S = (0.0, 0.1, 0.5, 2.0, 5.0)  # pauses before a keeper that keeps dying is started again
TELL_AT_START = 4  # a keeper that keeps dying is a fault of ours or of the host: told once
FULL_RATIO = 0.95  # of the node's memory: a rank that was killed then died of it


def run_agent(node_dir: str, pidfds: dict[int, int] | None = None) -> NoReturn:
    """Watch the node until it is done; never returns. A second agent on the same node ends at once.

    `pidfds` (by rank) come from whoever started it.
    """
    set_role("agent")
    os.chdir("/")  # whose directory it was started in may go away
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if take_claim(os.path.join(node_dir, "agent.claim"), replace_dead=True):
        Agent(node_dir, pidfds or {}).watch()
    os._exit(0)


class Said:
    """What earlier agents of this node have said already."""

    __slots__ = ("done", "exits", "notes", "started")

    def __init__(self, spool: str) -> None:
        self.started: set[int] = set()
        self.exits: set[int] = set()
        self.notes: set[str] = set()
        self.done = False
        offset, going_on = 0, True
        while going_on:
            records, after = read_spool(spool, offset)
            for _, frame in records:
                self._note(frame)
            going_on, offset = after > offset, after

    def _note(self, frame: dict[str, Any]) -> None:
        if frame.get("k") == "started":
            self.started.add(int(frame["rank"]))
        elif frame.get("k") == "exit":
            self.exits.add(int(frame["rank"]))
        elif frame.get("k") == "note":
            self.notes.add(str(frame["text"]))
        elif frame.get("k") == "done":
            self.done = True


class Agent:
    """The state of one agent process; everything in it can be had again from the node directory."""

    def __init__(self, node_dir: str, handed: dict[int, int]) -> None:
        plan = read_json(os.path.join(node_dir, "plan.json"))
        if plan is None:
            sys.exit(f"{node_dir}/plan.json is missing or not whole; the engine writes it before it starts an agent")
        self.node_dir, self.plan = node_dir, plan
        self.spool_path = os.path.join(node_dir, "agent.spool")
        self.said = Said(self.spool_path)
        self.spool: SpoolWriter | None = None
        self.unsaid: list[dict[str, Any]] = []  # what a full disk did not take yet
        self.ranks: tuple[int, ...] = tuple(int(entry["rank"]) for entry in plan["ranks"])
        self.pidfds: dict[int, int] = {}  # rank -> pidfd, kept until its exit is said
        self.handed = handed  # pidfds that were inherited and are not looked at yet
        for fd in handed.values():
            os.set_inheritable(fd, False)
        self.ended: set[int] = set()  # ranks whose pidfd fired and whose exit file is awaited
        self.keeper_fd = -1
        self.keeper_starts = 0
        self.keeper_due_ns = 0
        self.children: set[int] = set()  # keepers that this process executed and has to reap
        self.quick_until_ns = 0
        self.sampler = Sampler(plan)
        self.pace = Pace(boot_ns(), time.process_time())
        self.hang = HangWatch(node_dir, float(plan.get("hang_s") or 0))
        self.stopping = False  # a wish to stop has been seen
        self.looked_ns = _changed_ns(self.path("look"))  # when the service last asked for a closer look
        self.memory_ratio = 0.0

    def path(self, name: str) -> str:
        return os.path.join(self.node_dir, name)

    def watch(self) -> None:
        """See that there is a keeper, and tell what happens, until the node is done."""
        if self.said.done:
            return
        for text in self.plan.get("notes", ()):
            if text not in self.said.notes:
                self.note("start", text)
        while True:
            self._look_at_claims()  # first: a keeper that follows a dead one gets the pidfds
            self._have_keeper()
            self._look_at_exits()
            if self._look_at_end():
                return
            if boot_ns() >= self.pace.due_ns:
                self._sample()
            self._wait()

    # saying

    def say(self, frame: dict[str, Any], *, must: bool = True) -> None:
        """Append a frame; what must be said and finds the disk full is said as soon as there is room."""
        frame.setdefault("t", boot_ns())
        if must:
            self.unsaid.append(frame)
        try:
            if self.spool is None:
                self.spool = SpoolWriter(self.spool_path, "agent")
            while self.unsaid:
                self.spool.write(self.unsaid[0])
                del self.unsaid[0]
            if not must:
                self.spool.write(frame)
        except OSError as error:
            print(f"{self.spool_path}: {error}", file=sys.stderr, flush=True)

    def note(self, topic: str, text: str, data: dict[str, Any] | None = None) -> None:
        self.say({"k": "note", "topic": topic, "text": text, "data": data or {}})

    def progress(self, text: str) -> None:
        self.say({"k": "progress", "text": text, "ratio": None}, must=False)

    # the keeper

    def _have_keeper(self) -> None:
        """Find the keeper, or start one: warm the first time, cold to adopt what a dead one left."""
        if self.keeper_fd >= 0 or os.path.exists(self.path("done.json")) or boot_ns() < self.keeper_due_ns:
            return
        claim = read_claim(self.path("keeper.claim"))
        if claim is not None and alive(claim):
            fd = open_pidfd(claim)
            self.keeper_fd = -1 if fd is None else fd
            return
        if boot_ns() < self.quick_until_ns and self.keeper_starts:
            return  # it was started a moment ago and takes its claim soon
        self._start_keeper(first=not any(os.path.exists(self.path(f"rank-{rank}.claim")) for rank in self.ranks))

    def _start_keeper(self, *, first: bool) -> None:
        pid, why = 0, ""
        if first and self.keeper_starts == 0 and self.plan["warm"] and not self.plan["launcher"]:
            pid, why = fork_keeper(self.plan, self.node_dir, self.progress)
            if why:
                self.note("cold start", f"cold start: {why}")
        if not pid:
            try:
                self.children.add(cold_keeper(self.node_dir, self.pidfds))
            except OSError as error:
                self.note("keeper", f"no keeper can be started: {error}; it is tried again")
        pause_s = KEEPER_AGAIN_S[min(self.keeper_starts, len(KEEPER_AGAIN_S) - 1)]
        self.keeper_starts += 1
        if self.keeper_starts == TELL_AT_START:
            log = self.path("keeper.log")
            self.note(
                "keeper", f"the keeper has ended {TELL_AT_START - 1} times; {log} may say why; it is started again"
            )
        self.keeper_due_ns = boot_ns() + int(pause_s * NS)
        self.quick_until_ns = boot_ns() + QUICK_FOR_NS

    def _keeper_ended(self) -> None:
        """Its pidfd fired: done, or killed; then what it was parent of is adopted by the next one."""
        os.close(self.keeper_fd)
        self.keeper_fd, self.quick_until_ns = -1, 0
        self._reap()

    def _reap(self) -> None:
        for pid in list(self.children):
            try:
                ended, _ = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                ended = pid
            if ended:
                self.children.discard(pid)

    # the ranks

    def _look_at_claims(self) -> None:
        for rank in self.ranks:
            if rank in self.pidfds or rank in self.said.exits or rank in self.ended:
                continue
            claim = read_claim(self.path(f"rank-{rank}.claim"))
            if claim is None:
                continue
            if rank not in self.said.started:
                self.said.started.add(rank)
                self.say({"k": "started", "rank": rank, "pid": claim.pid})
            fd = self.handed.pop(rank, None) or open_pidfd(claim)
            if fd is None:
                self.ended.add(rank)
                continue
            self.pidfds[rank] = fd
            if alive(claim):
                self.sampler.watch(rank, claim.pid)
                self.hang.watch(rank, claim)

    def _look_at_exits(self) -> None:
        for rank in self.ranks:
            if rank in self.said.exits:
                continue
            record = read_json(self.path(f"rank-{rank}.exit"))
            if record is not None:
                self._say_exit(rank, record)

    def _say_exit(self, rank: int, record: dict[str, Any]) -> None:
        self.said.exits.add(rank)
        oom = record["oom"] or (
            record["signal"] == signal.SIGKILL and not record["by_us"] and self.memory_ratio > FULL_RATIO
        )
        self.say({
            "k": "exit", "t": record["t_ns"], "rank": rank, "code": record["code"], "signal": record["signal"],
            "by_us": record["by_us"], "oom": oom, "source": record["source"], "maxrss_bytes": record["maxrss_bytes"],
            "error": self._error_of(rank, record),
        })  # fmt: skip
        self._let_go(rank)

    def _error_of(self, rank: int, record: dict[str, Any]) -> dict[str, Any] | None:
        """The rank's own record, or what its log says where native code ended it because another rank had died."""
        error = read_json(self.path(f"rank-{rank}.error"))
        if error is None and record["code"] != 0 and record["signal"] != signal.SIGKILL:
            from .rank.classify import record_from_log

            error = record_from_log(self.path(f"rank-{rank}.log"), record["t_ns"])
        return error

    def _let_go(self, rank: int) -> None:
        self.ended.discard(rank)
        fd = self.pidfds.pop(rank, -1)
        if fd >= 0:
            os.close(fd)
        self.sampler.forget(rank)
        self.hang.forget(rank)

    def _look_at_end(self) -> bool:
        """Whether the node is done and everything about it is said."""
        done = read_json(self.path("done.json"))
        if done is None:
            return False
        self._look_at_exits()  # those that were written between the last look and the end
        if not self.said.done:
            self.said.done = True
            self.say({"k": "done", "t": done["t_ns"], "leftover": done["leftover"]})
        if self.unsaid:
            time.sleep(0.5)
            self.say({"k": "progress", "text": "the disk was full", "ratio": None}, must=False)
        return not self.unsaid

    # time

    def _sample(self) -> None:
        self._reap()
        full = self.pace.taken(boot_ns())
        frame = self.sampler.sample()
        node = frame["node"]
        self.memory_ratio = node["memory"] / node["memory_total"] if node["memory_total"] else 0.0
        self.say(frame, must=False)
        for topic, text, data in self.sampler.notes():
            if topic == "xid" or text not in self.said.notes:
                self.said.notes.add(text)
                self.note(topic, text, data)
        if full:
            for hang in self.hang.look(self.sampler):
                self.say(hang)
        if self.is_trouble():
            self.pace.trouble(boot_ns())
        slower = self.pace.spent(boot_ns(), time.process_time())
        if slower:
            self.note("agent", slower)

    def is_trouble(self) -> bool:
        """Whether to look closer for a moment: time is being lost, nothing moves, the run has been told to stop, or the service
        has found something."""
        stopping, asked_ns = os.path.exists(self.path("stop.json")), _changed_ns(self.path("look"))
        told = (stopping and not self.stopping) or asked_ns != self.looked_ns
        self.stopping, self.looked_ns = stopping, asked_ns
        return told or bool(self.sampler.trouble) or self.hang.suspected()

    def _wait(self) -> None:
        """Until a rank or the keeper ends, or the next look is due."""
        poll = select.poll()
        by_fd = {fd: rank for rank, fd in self.pidfds.items() if rank not in self.ended}
        for fd in by_fd:
            poll.register(fd, select.POLLIN)
        if self.keeper_fd >= 0:
            poll.register(self.keeper_fd, select.POLLIN)
        for fd, _ in poll.poll(self._pause_ms()):
            if fd == self.keeper_fd:
                self._keeper_ended()
            else:
                self.ended.add(by_fd[fd])
                self.quick_until_ns = boot_ns() + QUICK_FOR_NS

    def _pause_ms(self) -> int:
        now_ns = boot_ns()
        until_sample_ms = max(0, (self.pace.due_ns - now_ns) // 1_000_000) + 1
        waits_for = self.keeper_fd < 0 or self.ended or len(self.said.started) < len(self.ranks)
        if not waits_for:
            return int(until_sample_ms)
        return int(min(until_sample_ms, QUICK_MS if now_ns < self.quick_until_ns else SLOW_MS))


def _changed_ns(path: str) -> int:
    """When the file was last touched, 0 where there is none."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
