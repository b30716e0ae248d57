"""The keeper: parent of a node's ranks. It waits, records each end by rename, stops the siblings of a failed rank, and knows
nothing else; so an agent or a service killed at any moment costs no exit code.

In: a node directory with plan.json. Out: rank-R.claim/.log/.exit and done.json (docs/explanation/processes-and-files.md 2).
Rule 1: one loop for its own children and for ranks it adopted from a keeper that died: both are pidfds; only how the exit status is
found differs (a look at the dead child; else /proc or the kernel's PIDFD_INFO_EXIT; else the rank's own end record; else unknown).
Rule 2: a rank claims its place itself, before anything else; whoever finds the place taken ends. So a keeper that was killed while
it started ranks is followed by one that starts the rest, and no rank runs twice.
Rule 3: a dead child is recorded before it is reaped. Single-threaded, since it is forked from the zygote and forks the ranks.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import time

from .birth import become_rank
from .files import read_json, set_role, write_json
from .frames import boot_ns
from .group import Group, open_group
from .identity import Claim, claim_of, exit_status, open_pidfd, read_claim, split_status, take_claim, zombie_status
from .linux import become_subreaper, look_at_dead_child, oom_kills
from .loglimit import pause_s, trim
from .title import set_title

TYPE_CHECKING = False  # see frames.py
if TYPE_CHECKING:
    from typing import Any, NoReturn

NS = 1_000_000_000
AGAIN_SLOWLY_S = 0.5  # until a kill or a record that a full disk refused is tried again
AGAIN_S = 0.02  # until a question that had no answer yet (not reaped, disk full) is asked again
STATUS_PATIENCE_S = 5.0  # how long init may take to reap an adopted rank
LINGER_S = 0.2  # helpers of a rank that has ended (resource trackers, loggers) may end by themselves
LEFTOVER_S = 1.0  # then they get SIGTERM, and SIGKILL after this
RESERVE_BYTES = 64 << 10  # kept on disk for the last records, should the ranks fill it


class Rank:
    """One rank that has not been recorded yet; `index` is its place in plan.ranks, `pid` is 0 while its claim is awaited."""

    __slots__ = ("again_ns", "child", "claim", "ended_ns", "index", "pidfd", "rank", "signalled")

    def __init__(self, *, index: int, rank: int, claim: Claim, pidfd: int, child: bool) -> None:
        self.index, self.rank, self.claim, self.pidfd, self.child = index, rank, claim, pidfd, child
        self.signalled = False
        self.ended_ns = self.again_ns = 0


def run_keeper(node_dir: str, pidfds: dict[int, int] | None = None) -> NoReturn:
    """Keep the node's ranks until nothing of them lives; never returns. `pidfds` (by rank) come from the agent."""
    code = 1
    try:
        set_role("keeper")
        keeper = Keeper(node_dir, pidfds or {})
        if keeper.claim():
            keeper.keep()
        code = 0
    except BaseException:
        import traceback

        with open(os.path.join(node_dir, "keeper.log"), "a", encoding="utf-8") as log:
            traceback.print_exc(file=log)
    os._exit(code)


class Keeper:
    """The state of one keeper process."""

    def __init__(self, node_dir: str, pidfds: dict[int, int]) -> None:
        plan = read_json(os.path.join(node_dir, "plan.json"))
        if plan is None:
            raise RuntimeError(
                f"{node_dir}/plan.json is missing or not whole; the engine writes it before the agent starts"
            )
        self.node_dir, self.plan, self.handed = node_dir, plan, pidfds
        self.ranks: dict[int, Rank] = {}  # pidfd -> rank
        self.sessions: list[Claim] = []
        self.failed_ns = 0
        self.failed_text = ""
        self.term_ns = 0  # when SIGTERM was sent
        self.kill_ns = 0  # when SIGKILL is due
        self.logged_bytes = 0  # of all logs at the last look
        self.looked_ns = self.look_due_ns = boot_ns()
        self.wake = -1
        self.group: Group
        self.oom_files: tuple[str, ...] = ()
        self.oom_seen = 0

    def path(self, name: str) -> str:
        return os.path.join(self.node_dir, name)

    def claim(self) -> bool:
        """Whether this process is the node's keeper now; False if another one lives or the work is done."""
        self.wake = _wake_on_signals()  # before the claim, by which a stop finds this process: its signal would end it
        return not os.path.exists(self.path("done.json")) and take_claim(self.path("keeper.claim"), replace_dead=True)

    def keep(self) -> None:
        """Start or adopt the ranks, wait for all of them, leave nothing behind."""
        plan = self.plan
        set_title(f"aicci keeper {plan['run_id']} attempt {plan['attempt']} node {plan['node']}")
        become_subreaper()
        self._reserve()
        self.group = open_group(self.node_dir, int(plan["memory_limit_bytes"]))
        self.oom_files = self.group.oom_counters()
        self.oom_seen = oom_kills(self.oom_files)
        self._begin()
        while self.ranks:
            self._wait()
            self._stop_if_due()
            self._look_at_logs()
        self._clear()
        self._finish()

    # starting and adopting

    def _begin(self) -> None:
        """Adopt what has a claim, then start the rest, unless it is to stop already."""
        missing = []
        for index, entry in enumerate(self.plan["ranks"]):
            if os.path.exists(self.path(f"rank-{entry['rank']}.exit")):
                self._remember_session(entry["rank"])
                continue
            if os.path.exists(self.path(f"rank-{entry['rank']}.claim")):
                self._adopt(index, entry["rank"])
            else:
                missing.append((index, entry["rank"]))
        self._stop_if_due()
        if not self.term_ns:
            for index, rank in missing:
                self._start(index, rank)

    def _start(self, index: int, rank: int) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # the child must not run our handlers
        pid = os.fork()
        if pid == 0:
            set_role("rank")
            become_rank(self.plan, self.node_dir, index, self.group)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        claim = claim_of(pid)
        assert claim is not None, "a child that is not reaped is there"
        self._watch(Rank(index=index, rank=rank, claim=claim, pidfd=os.pidfd_open(pid), child=True))

    def _adopt(self, index: int, rank: int) -> None:
        claim = read_claim(self.path(f"rank-{rank}.claim"))
        if claim is None:
            raise RuntimeError(
                f"{self.node_dir}/rank-{rank}.claim is not whole; claims are linked, never written in place"
            )
        handed = self.handed.pop(rank, -1)
        pidfd = handed if handed >= 0 else open_pidfd(claim)
        found = Rank(index=index, rank=rank, claim=claim, pidfd=-1 if pidfd is None else pidfd, child=False)
        if pidfd is None:
            self._record_gone(found)
        else:
            self._watch(found)

    def _remember_session(self, rank: int) -> None:
        """Of a rank whose end an earlier keeper recorded: what it left in its session is still to be cleared."""
        claim = read_claim(self.path(f"rank-{rank}.claim"))
        if claim is not None:
            self.sessions.append(claim)

    def _watch(self, rank: Rank) -> None:
        self.ranks[rank.pidfd] = rank
        self.sessions.append(rank.claim)

    # waiting and recording

    def _wait(self) -> None:
        """Until a rank ends, a signal comes, or something is due."""
        now_ns = boot_ns()
        poll = select.poll()
        poll.register(self.wake, select.POLLIN)
        for fd, rank in self.ranks.items():
            if rank.again_ns <= now_ns:
                poll.register(fd, select.POLLIN)
        for fd, _ in poll.poll(self._pause_ms(now_ns)):
            if fd == self.wake:
                with contextlib.suppress(BlockingIOError):
                    os.read(self.wake, 512)
            else:
                self._ended(self.ranks[fd])
        self._reap_strangers()

    def _pause_ms(self, now_ns: int) -> int:
        due = [self.look_due_ns, self._term_due_ns(), self._cap_due_ns(), self.kill_ns]
        due += [rank.again_ns for rank in self.ranks.values() if rank.again_ns > now_ns]
        return max(0, (min(each for each in due if each) - now_ns) // 1_000_000 + 1)

    def _ended(self, rank: Rank) -> None:
        """Record a rank whose pidfd says that it ended; what cannot be known or written yet is tried again."""
        rank.ended_ns = rank.ended_ns or boot_ns()
        try:
            told = self._end_of_child(rank) if rank.child else self._end_of_adopted(rank)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            told = False
            self._free_reserve()
        if told:
            del self.ranks[rank.pidfd]
            os.close(rank.pidfd)
        else:
            rank.again_ns = boot_ns() + int(AGAIN_S * NS)

    def _end_of_child(self, rank: Rank) -> bool:
        found = look_at_dead_child(rank.pidfd)
        if found is None:
            return False
        owner = read_claim(self.path(f"rank-{rank.rank}.claim"))
        if owner is not None and owner != rank.claim:  # the place was taken: the child of an earlier keeper runs there
            os.waitpid(rank.claim.pid, 0)
            self._adopt(rank.index, rank.rank)
            return True
        status, maxrss_bytes = found
        self._record(rank, *split_status(status), "keeper", maxrss_bytes=maxrss_bytes)
        os.waitpid(rank.claim.pid, 0)
        return True

    def _end_of_adopted(self, rank: Rank) -> bool:
        status = zombie_status(rank.claim)
        status = exit_status(rank.pidfd) if status is None else status
        if status is not None:
            self._record(rank, *split_status(status), "pidfd")
            return True
        zombie_or_unreaped = boot_ns() - rank.ended_ns < STATUS_PATIENCE_S * NS
        if zombie_or_unreaped and not self._end_record(rank):
            return False
        self._record_gone(rank)
        return True

    def _end_record(self, rank: Rank) -> dict[str, Any] | None:
        return read_json(self.path(f"rank-{rank.rank}.end"))

    def _record_gone(self, rank: Rank) -> None:
        """A rank that nobody waited for: its own end record tells a normal end, nothing tells a kill."""
        end = self._end_record(rank)
        if end:
            rank.ended_ns = int(end["t_ns"])
            self._record(rank, int(end["code"]), 0, "end-record")
        else:
            self._record(rank, -1, 0, "unknown")

    def _record(self, rank: Rank, code: int, number: int, source: str, *, maxrss_bytes: int = 0) -> None:
        ended_ns = rank.ended_ns or boot_ns()
        kills = oom_kills(self.oom_files)
        by_us = rank.signalled or (not rank.child and 0 < self._stop_wish_ns() <= ended_ns)
        oom = number == signal.SIGKILL and not by_us and kills > self.oom_seen
        record = {"code": code, "signal": number, "by_us": by_us, "oom": oom, "t_ns": ended_ns}
        write_json(self.path(f"rank-{rank.rank}.exit"), {**record, "maxrss_bytes": maxrss_bytes, "source": source})
        self.oom_seen = kills
        if (code != 0 or number != 0) and not by_us and not self.failed_ns:
            self.failed_ns = boot_ns()
            self.failed_text = f"rank {rank.rank} ended with " + (f"signal {number}" if number else f"exit code {code}")

    def _reap_strangers(self) -> None:
        """Reap orphans that came to the subreaper; ranks stay until they are recorded."""
        ours = {rank.claim.pid for rank in self.ranks.values() if rank.child}
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None or found.si_pid in ours:
                return
            os.waitpid(found.si_pid, 0)

    # stopping

    def _term_due_ns(self) -> int:
        """When the siblings of a rank that failed get SIGTERM; 0 = not, or it was sent."""
        return self.failed_ns + int(self.plan["settle_s"] * NS) if self.failed_ns and not self.term_ns else 0

    def _stop_wish_ns(self) -> int:
        wish = read_json(self.path("stop.json"))
        return int(wish["t_ns"]) if wish else 0

    def _cap_due_ns(self) -> int:
        """When the node's budget asks for its end, should no service live to say so; 0 = never, or it was said."""
        return 0 if self.term_ns else int(self.plan.get("cap_t_ns", 0))

    def _stop_if_due(self) -> None:
        """The ladder: SIGTERM to the ranks, grace, SIGKILL to everything."""
        now_ns = boot_ns()
        due_ns = self._term_due_ns()
        cap_ns = self._cap_due_ns()
        if cap_ns and now_ns >= cap_ns and not self._stop_wish_ns():
            wish = {"grace_s": self.plan["grace_s"], "reason": "its budget is spent", "t_ns": now_ns}
            with contextlib.suppress(OSError):
                write_json(self.path("stop.json"), wish)
            self._term(float(self.plan["grace_s"]))
        if due_ns and now_ns >= due_ns and not self._stop_wish_ns():
            wish = {"grace_s": self.plan["grace_s"], "reason": self.failed_text, "t_ns": now_ns}
            with contextlib.suppress(
                OSError
            ):  # a full disk: the next keeper would not know that these ends are our doing
                write_json(self.path("stop.json"), wish)
            self._term(float(self.plan["grace_s"]))
        elif wish_now := read_json(self.path("stop.json")):
            self._term(float(wish_now["grace_s"]))
        if self.kill_ns and now_ns >= self.kill_ns:
            self._kill()

    def _term(self, grace_s: float) -> None:
        """SIGTERM, once; a later wish with less grace only brings the end nearer."""
        now_ns = boot_ns()
        if not self.term_ns:
            self.term_ns, self.kill_ns = now_ns, now_ns + int(grace_s * NS)
            self._signal_ranks(signal.SIGTERM)
        self.kill_ns = min(self.kill_ns, self.term_ns + int(grace_s * NS))

    def _kill(self) -> None:
        self.kill_ns = boot_ns() + int(AGAIN_SLOWLY_S * NS)  # again, should one still be there
        self._signal_ranks(signal.SIGKILL)
        self.group.signal(self.sessions, signal.SIGKILL)

    def _signal_ranks(self, number: int) -> None:
        for rank in self.ranks.values():
            if rank.ended_ns or _has_ended(rank.pidfd):
                continue  # it ended by itself, and that is what is recorded
            rank.signalled = True
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(rank.pidfd, number)
                signal.pidfd_send_signal(rank.pidfd, signal.SIGCONT)  # a stopped process handles no signal

    # the end

    def _clear(self) -> None:
        """See that nothing of the ranks lives: helpers get a moment, then SIGTERM, then SIGKILL until they are gone."""
        now_ns = boot_ns()
        term_ns = now_ns + int(LINGER_S * NS)
        kill_ns = term_ns + int(LEFTOVER_S * NS)
        if self.kill_ns:
            kill_ns = min(kill_ns, self.kill_ns)
        termed, pause_s = False, 0.002
        while self.group.members(self.sessions):
            now_ns = boot_ns()
            if now_ns >= kill_ns:
                self.group.signal(self.sessions, signal.SIGKILL)
            elif now_ns >= term_ns and not termed:
                termed = True
                self.group.signal(self.sessions, signal.SIGTERM)
            if wish := read_json(self.path("stop.json")):
                kill_ns = min(kill_ns, int(wish["t_ns"]) + int(float(wish["grace_s"]) * NS))
            self._reap_strangers()
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 0.05)
        self._reap_strangers()

    def _finish(self) -> None:
        """Say that the node is free; on a full disk, as soon as there is room."""
        self.group.remove()
        while True:
            try:
                write_json(self.path("done.json"), {"t_ns": boot_ns(), "leftover": 0})
                self._free_reserve()
                return
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                self._free_reserve()
                time.sleep(AGAIN_SLOWLY_S)

    # the disk

    def _look_at_logs(self) -> None:
        now_ns = boot_ns()
        if now_ns < self.look_due_ns:
            return
        size_bytes = sum(trim(self.path(f"rank-{entry['rank']}.log")) for entry in self.plan["ranks"])
        look_s = pause_s(size_bytes - self.logged_bytes, (now_ns - self.looked_ns) / NS)
        self.logged_bytes, self.looked_ns, self.look_due_ns = size_bytes, now_ns, now_ns + int(look_s * NS)

    def _reserve(self) -> None:
        with contextlib.suppress(OSError):
            fd = os.open(self.path("keeper.reserve"), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, RESERVE_BYTES)
            finally:
                os.close(fd)

    def _free_reserve(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self.path("keeper.reserve"))


def _has_ended(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def _wake_on_signals() -> int:
    """The descriptor that becomes readable when SIGTERM or SIGCHLD arrives."""
    read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, _nothing)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    return read


def _nothing(number: int, frame: object) -> None:
    """A handler, so that the signal wakes the poll instead of ending the process."""
