"""Whether the ranks of a node still get anywhere, and if not, where each of them stands.

In: once a second the sampler's trees, and what the ranks wrote (frames, logs). Out: at most one `hang` frame an episode.
Rule 1: progress is a step, a logged value, a line of output or CPU time of any rank; a rank in a phase that it declared (a
checkpoint, a compilation, an evaluation, a span) is never taken for hanging.
Rule 2: a rank that was stopped (SIGSTOP, state T) is named at the next look.
Rule 3: stacks come from the ranks' own faulthandler (SIGUSR2), sent only to a process that catches it; equal stacks make a group,
and the smallest group of those that do not wait in a collective is suspect.
"""

from __future__ import annotations

import os
import re
import signal

from .frames import boot_ns, read_spool
from .identity import Claim, send_signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .sampling import Sampler

NS = 1_000_000_000
IDLE_CORES = 0.03  # a rank that only waits: its watchdogs and pollers use less
DUMP_NS = 500_000_000  # what a rank gets to write its stacks
UNDECLARED = frozenset({"starting", "compute", "data_wait", "done"})
PROGRESS = frozenset({"steps", "log", "phase"})
STACK_LINES = 40
COLLECTIVE = re.compile(
    r"all_?reduce|all_?gather|reduce_scatter|all_?to_?all|broadcast|barrier|distributed_c10d|process_group|mpi4py|"
    r"\bsync_global_devices|wait_at_barrier|\brecv\b|\bsend\b",
    re.IGNORECASE,
)


class Watched:
    """What is known of one rank's progress."""

    __slots__ = ("at_ns", "claim", "log_bytes", "offset", "phase", "rank", "stacks_from", "stopped", "used_s")

    def __init__(self, rank: int, claim: Claim) -> None:
        self.rank, self.claim = rank, claim
        self.offset = self.log_bytes = self.stacks_from = 0
        self.phase = "starting"
        self.stopped = False
        self.at_ns, self.used_s = boot_ns(), 0.0  # the tree's CPU time at the last look


class HangWatch:
    """The progress of one node's ranks; `look` once a second."""

    def __init__(self, node_dir: str, hang_s: float) -> None:
        self.node_dir, self.hang_ns = node_dir, int(hang_s * NS)
        self.ranks: dict[int, Watched] = {}
        self._progress_ns = boot_ns()
        self._dumped_ns = 0  # when the ranks were asked for their stacks; 0 = not, or the answer was given
        self._said = False  # this episode was told

    def watch(self, rank: int, claim: Claim) -> None:
        self.ranks.setdefault(rank, Watched(rank, claim))
        self._progress_ns = boot_ns()

    def forget(self, rank: int) -> None:
        self.ranks.pop(rank, None)
        self._progress_ns = boot_ns()

    def suspected(self) -> bool:
        """Whether nothing has moved for half the time after which it is called a hang."""
        return bool(self.ranks) and self.hang_ns > 0 and boot_ns() - self._progress_ns > self.hang_ns // 2

    def look(self, sampler: Sampler) -> list[dict[str, Any]]:
        """The `hang` frames that are due; once a second, since CPU time is counted in hundredths."""
        if not self.ranks:
            return []
        frames = self._stopped(sampler)
        moved = [self._moved(watched, sampler) for watched in self.ranks.values()]
        if any(moved) or any(watched.phase not in UNDECLARED for watched in self.ranks.values()):
            self._progress_ns, self._dumped_ns, self._said = boot_ns(), 0, False
            return frames
        if self._dumped_ns and boot_ns() - self._dumped_ns > DUMP_NS:
            self._dumped_ns, self._said = 0, True
            frames.append(hang_frame(self._stacks()))
        elif self.hang_ns and not self._said and not self._dumped_ns and boot_ns() - self._progress_ns > self.hang_ns:
            self._dump()
        return frames

    def _moved(self, watched: Watched, sampler: Sampler) -> bool:
        """Whether the rank got anywhere since the last look."""
        moved = False
        records, watched.offset = read_spool(os.path.join(self.node_dir, f"rank-{watched.rank}.spool"), watched.offset)
        for _, frame in records:
            moved |= frame.get("k") in PROGRESS
            if frame.get("k") == "phase":
                watched.phase = str(frame.get("phase"))
        size = _size(os.path.join(self.node_dir, f"rank-{watched.rank}.log"))
        moved |= size != watched.log_bytes
        watched.log_bytes = size
        tree, now_ns = sampler.trees.get(watched.rank), boot_ns()
        if tree is None:
            return moved
        used_s, passed_s = tree.used_s - watched.used_s, (now_ns - watched.at_ns) / NS
        watched.used_s, watched.at_ns = tree.used_s, now_ns
        return moved or used_s > IDLE_CORES * passed_s

    def _stopped(self, sampler: Sampler) -> list[dict[str, Any]]:
        """A frame for ranks that were stopped since the last look."""
        fresh = []
        for watched in self.ranks.values():
            tree = sampler.trees.get(watched.rank)
            stopped = tree is not None and tree.state == "T"
            if stopped and not watched.stopped:
                fresh.append(watched.rank)
            watched.stopped = stopped
        if not fresh:
            return []
        text = "stopped by a signal (state T); `kill -CONT PID` lets it go on"
        return [{"k": "hang", "groups": [{"ranks": fresh, "stack": text}], "suspects": fresh}]

    def _dump(self) -> None:
        self._dumped_ns = boot_ns()
        for watched in self.ranks.values():
            watched.stacks_from = _size(self._stacks_path(watched))
            if catches(watched.claim.pid, signal.SIGUSR2):
                send_signal(watched.claim, signal.SIGUSR2)

    def _stacks(self) -> dict[int, str]:
        found = {}
        for rank, watched in self.ranks.items():
            try:
                with open(self._stacks_path(watched), encoding="utf-8", errors="replace") as file:
                    file.seek(watched.stacks_from)
                    found[rank] = main_stack(file.read(1 << 20))
            except OSError:
                found[rank] = ""
            if not found[rank]:
                found[rank] = "no Python stack: it does not answer" + (" (it is stopped)" if watched.stopped else "")
        return found

    def _stacks_path(self, watched: Watched) -> str:
        return os.path.join(self.node_dir, f"rank-{watched.rank}.stacks")


def main_stack(dump: str) -> str:
    """The main thread's stack in what faulthandler wrote, newest frame first, without addresses; "" where there is none."""
    blocks = re.split(r"(?m)^(?=(?:Current thread|Thread) )", dump)
    threads = [block for block in blocks if block.startswith(("Current thread", "Thread"))]
    if not threads:
        return ""
    chosen = next((block for block in threads if block.startswith("Current thread")), threads[-1])
    lines = [line.strip() for line in chosen.splitlines()[1:] if line.startswith("  ")]
    return "\n".join(lines[:STACK_LINES])


def hang_frame(stacks: dict[int, str]) -> dict[str, Any]:
    """The `hang` frame of these stacks: equal ones together, the largest group first."""
    groups: dict[str, list[int]] = {}
    for rank, stack in sorted(stacks.items()):
        groups.setdefault(stack, []).append(rank)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[1]))
    return {
        "k": "hang",
        "groups": [{"ranks": ranks, "stack": stack} for stack, ranks in ordered],
        "suspects": suspects(groups),
    }


def suspects(groups: dict[str, list[int]]) -> list[int]:
    """The ranks to look at first: the smallest group, of those outside a collective if others wait in one; [] if all are alike."""
    if len(groups) < 2:
        return []
    outside = {stack: ranks for stack, ranks in groups.items() if not COLLECTIVE.search(stack)}
    judged = outside if outside and len(outside) < len(groups) else groups
    smallest = min(len(ranks) for ranks in judged.values())
    return sorted(rank for ranks in judged.values() if len(ranks) == smallest for rank in ranks)


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal; one without it would die of SIGUSR2."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            for line in file:
                if line.startswith(b"SigCgt:"):
                    return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    except OSError:
        pass
    return False


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
