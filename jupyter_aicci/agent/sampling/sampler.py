"""One `sample` frame after the other: the node's ranks, the node itself, its RDMA ports and its accelerators.

In: the plan, and the pids of the ranks. Out: frames as docs/explanation/processes-and-files.md has them, with the names of
model/metrics.py; counters as they were read.
Rule 1: what changes slowly, or costs much, is told every ten seconds and in the first frame.
Rule 2: a part that cannot be read is absent; it never costs another part, nor the frame.
Rule 3: accelerators are read by a thread of their own, and a frame waits for it a moment only: a driver that hangs must not keep
the agent from telling how a rank ended.
"""

from __future__ import annotations

import time

from ..devices import find_reader
from . import rdma
from .groups import Group
from .kernel import read_once
from .node import Node
from .pace import NS, Jump
from .trees import Finder, Tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

SLOW_S = 10.0
PSS_EVERY_S = 10.0  # of all ranks together: one rank after the other
PSS_SHARE = 0.0005  # of a core: the larger a rank's memory, the more seldom its pss
DEVICES_WAIT_S = 0.1
LOST_TIME = {"psi_memory": 1e6, "psi_io": 1e6, "group_throttled_us": 1e6}  # counter -> its units in a second
DEVICE_LOST_TIME = {"throttle_thermal": 1e9, "throttle_brake": 1e9}


class Sampler:
    """The ranks of one node and the node itself. `trouble` says in a word what the last sample showed, or "" ."""

    def __init__(self, plan: Mapping[str, Any] | None = None) -> None:
        plan = plan or {}
        self.trees: dict[int, Tree] = {}  # rank -> its tree
        self.trouble = ""
        self._finder = Finder()
        self._node = Node(scratch=str(plan.get("run_dir") or ""))
        self._group: Group | None = None
        self._group_of = (0, b"")  # the rank's pid and what /proc/PID/cgroup said
        self._ports = rdma.ports()
        self._devices = find_reader(_environment(plan))
        self._slow_due_s = self._pss_due_s = 0.0
        self._pss_turn = 0
        self._jumps = {name: Jump(units) for name, units in LOST_TIME.items()}
        self._device_jumps: dict[tuple[str, str], Jump] = {}
        self._at_s = time.monotonic()

    def watch(self, rank: int, pid: int) -> None:
        if rank not in self.trees:
            self.trees[rank] = Tree(pid)
            self.trees[rank].look(0.0)
            self._finder.began(time.monotonic())

    def forget(self, rank: int) -> None:
        tree = self.trees.pop(rank, None)
        if tree:
            tree.close()

    def sample(self) -> dict[str, Any]:
        """One `sample` frame, without its time."""
        now_s = time.monotonic()
        passed_s, self._at_s = now_s - self._at_s, now_s
        slow = now_s >= self._slow_due_s
        if slow:
            self._slow_due_s = now_s + SLOW_S
        if self._devices is not None:
            self._devices.ask(slow=slow)
        loadavg = self._finder.look(now_s, self.trees.values())
        frame: dict[str, Any] = {"k": "sample", "ranks": self._ranks(passed_s, now_s, slow=slow)}
        frame["node"] = self._node.metrics(passed_s, loadavg, slow=slow) | self._groups(slow=slow)
        nics = rdma.metrics(self._ports)
        devices = self._devices.answer(DEVICES_WAIT_S) if self._devices is not None else {}
        if nics:
            frame["nics"] = nics
        if devices:
            frame["devices"] = devices
        self._judge(frame["node"], devices)
        return frame

    def notes(self) -> list[tuple[str, str, dict[str, Any]]]:
        """(topic, text, data) of what there is to say about the devices, each once."""
        return self._devices.notes() if self._devices is not None else []

    def _ranks(self, passed_s: float, now_s: float, *, slow: bool) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for rank, tree in self.trees.items():
            if tree.look(passed_s):
                found[str(rank)] = tree.metrics | (tree.slow_metrics() if slow else {})
        if now_s >= self._pss_due_s and found:
            self._pss_turn += 1
            name = list(found)[self._pss_turn % len(found)]
            before_s = time.thread_time()
            pss = self.trees[int(name)].pss_bytes()
            cost_s = time.thread_time() - before_s
            self._pss_due_s = now_s + max(PSS_EVERY_S / len(found), cost_s / PSS_SHARE)
            if pss is not None:
                found[name]["pss"] = pss
        return found

    def _groups(self, *, slow: bool) -> dict[str, float]:
        """The group of the first rank that lives; all ranks of a node are in one. It joins it a moment after it began."""
        if not self.trees:
            return {}
        pid = next(iter(self.trees.values())).pid
        if slow or self._group_of[0] != pid:
            now = (pid, read_once(f"/proc/{pid}/cgroup"))
            if now[1] and now != self._group_of:
                if self._group is not None:
                    self._group.close()
                self._group, self._group_of = Group(pid), now
        return self._group.metrics(slow=slow) if self._group is not None else {}

    def _judge(self, node: Mapping[str, float], devices: Mapping[str, Mapping[str, float]]) -> None:
        """See whether time began to be lost."""
        now_ns = int(self._at_s * NS)
        jumped = [name for name, jump in self._jumps.items() if jump.seen(now_ns, node.get(name))]
        for index, metrics in devices.items():
            for name, units in DEVICE_LOST_TIME.items():
                if name in metrics:
                    jump = self._device_jumps.setdefault((index, name), Jump(units))
                    if jump.seen(now_ns, metrics[name]):
                        jumped.append(name)
        self.trouble = jumped[0] if jumped else ""


def _environment(plan: Mapping[str, Any]) -> Mapping[str, str]:
    """The environment of the node's first rank: it says which devices are the run's."""
    ranks = plan.get("ranks") or [{}]
    found: Mapping[str, str] = ranks[0].get("env") or {}
    return found
