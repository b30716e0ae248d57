"""Everything that lives of one node of a run: found and killed as a whole, daemons that forked twice included.

Four ways, as many as the host allows: a cgroup v2 group of our own (`cgroup.kill` reaches all of it, whatever it did); what
descends from the keeper (it is the subreaper, so orphans come to it); the sessions of the ranks; processes whose environment in
/proc names this node directory (`title.set_tag` puts it there for what was forked).
Rule: a process is killed because it is in our group, descends from us, sits in a rank's session or carries our tag; never because a
pid was read earlier.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import time

from .files import read_json, write_json
from .identity import PPID_FIELD, SESSION_FIELD, STARTTIME_FIELD, STATE_FIELD, Claim, stat_fields
from .linux import memory_cgroup, oom_counters, unified_cgroup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Table = dict[int, tuple[int, int, int]]  # pid -> (parent, session, start time) of what lives

REMOVE_TRIES, REMOVE_AGAIN_S = 20, 0.01


class Group:
    """The processes of one node of one attempt. `cgroup` and `memory` are directories, "" where there is none."""

    __slots__ = ("_tag", "cgroup", "memory", "node_dir")

    def __init__(self, node_dir: str, cgroup: str, memory: str) -> None:
        self.node_dir, self.cgroup, self.memory = node_dir, cgroup, memory
        self._tag = f"\0AICCI_NODE_DIR={node_dir}\0".encode()

    def join(self) -> None:
        """Put the calling process (a rank before its program) into the group."""
        for folder in (self.cgroup, self.memory):
            if folder:
                with contextlib.suppress(OSError), open(os.path.join(folder, "cgroup.procs"), "w") as file:
                    file.write("0")

    def oom_counters(self) -> tuple[str, ...]:
        """The files that count what the kernel killed for want of memory, the most telling first."""
        return oom_counters(self.memory or self.cgroup or None)

    def members(self, sessions: Iterable[Claim]) -> set[int]:
        """The pids that live now, this process (the keeper) not among them."""
        table = process_table()
        found = self._in_cgroup(table) | _descendants(table, os.getpid())
        for leader in sessions:
            found |= _in_session(table, leader)
        found |= {pid for pid in table if pid not in found and self._tagged(pid)}
        return found - {os.getpid()}

    def signal(self, sessions: Iterable[Claim], number: int) -> int:
        """Send a signal to all of it; how many processes there were. For SIGKILL call again until there are none."""
        if self.cgroup and number == signal.SIGKILL:
            with contextlib.suppress(OSError), open(os.path.join(self.cgroup, "cgroup.kill"), "w") as file:
                file.write("1")
        living = self.members(sessions)
        for pid in living:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        return len(living)

    def remove(self) -> None:
        """Take the empty groups away; the kernel may need a moment after the last process."""
        for folder in (self.cgroup, self.memory):
            for _ in range(REMOVE_TRIES):
                if not folder or not os.path.isdir(folder):
                    break
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
                    break
                time.sleep(REMOVE_AGAIN_S)

    def _in_cgroup(self, table: Table) -> set[int]:
        if not self.cgroup:
            return set()
        try:
            with open(os.path.join(self.cgroup, "cgroup.procs"), encoding="ascii") as file:
                return {int(line) for line in file} & table.keys()
        except OSError:
            return set()

    def _tagged(self, pid: int) -> bool:
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                return self._tag in b"\0" + file.read() + b"\0"
        except OSError:
            return False


def open_group(node_dir: str, memory_limit_bytes: int) -> Group:
    """The group of a node: the one that an earlier keeper made, or a new one."""
    record = os.path.join(node_dir, "group.json")
    known = read_json(record)
    if known is None:
        name = f"aicci-{hashlib.sha256(os.fsencode(node_dir)).hexdigest()[:16]}"
        cgroup = _make(unified_cgroup(), name)
        memory = _limited(cgroup, name, memory_limit_bytes) if memory_limit_bytes else ""
        known = {"cgroup": cgroup, "memory": memory}
        write_json(record, known)
    cgroup, memory = str(known["cgroup"]), str(known["memory"])
    return Group(node_dir, cgroup if os.path.isdir(cgroup) else "", memory if os.path.isdir(memory) else "")


def _make(parent: str | None, name: str) -> str:
    """The directory of a new group in `parent`, "" where none can be made or entered."""
    if not parent:
        return ""
    path = os.path.join(parent, name)
    try:
        os.makedirs(path, exist_ok=True)
    except OSError:
        return ""
    # Moving a process takes the right to write here and in the parent that it comes from.
    if all(os.access(os.path.join(each, "cgroup.procs"), os.W_OK) for each in (path, parent)):
        return path
    with contextlib.suppress(OSError):
        os.rmdir(path)
    return ""


def _limited(cgroup: str, name: str, limit_bytes: int) -> str:
    """The group that holds the memory limit: the v2 one itself, or a new one in the v1 memory tree; "" where neither takes it."""
    if cgroup and _write(os.path.join(cgroup, "memory.max"), limit_bytes):
        return cgroup
    memory = _make(memory_cgroup(), name)
    return memory if memory and _write(os.path.join(memory, "memory.limit_in_bytes"), limit_bytes) else ""


def _write(path: str, value: int) -> bool:
    try:
        with open(path, "r+", encoding="ascii") as file:
            file.write(str(value))
    except OSError:
        return False
    return True


def process_table() -> Table:
    """Every process that lives; zombies do not."""
    table = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (stat := stat_fields(int(entry))) and stat[STATE_FIELD - 1] not in "ZX":
            parent, session, started = (int(stat[field - 1]) for field in (PPID_FIELD, SESSION_FIELD, STARTTIME_FIELD))
            table[int(entry)] = (parent, session, started)
    return table


def _descendants(table: Table, root: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for pid, (parent, _, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found, todo = set[int](), [root]
    while todo:
        for child in children.get(todo.pop(), ()):
            if child not in found:
                found.add(child)
                todo.append(child)
    return found


def _in_session(table: Table, leader: Claim) -> set[int]:
    """What lives in a rank's session; nothing if its pid belongs to somebody else by now."""
    there = table.get(leader.pid)
    if there is not None and there[2] != leader.starttime:
        return set()
    return {
        pid for pid, (_, session, started) in table.items() if session == leader.pid and started >= leader.starttime
    }
