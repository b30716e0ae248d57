"""What the whole node does: CPU, memory, pressure, network, disks and the file systems that fill up.

In: /proc and statvfs. Out: the metrics of scope "node" of the table in model/metrics.py, without those of cgroups.
Rule 1: network is that of interfaces with hardware behind them (of a container without one: all but loopback), so that bridges and
bonds count nothing twice; ranks of one host that talk over loopback are not seen in it.
Rule 2: disks are whole disks with hardware behind them; `disk_busy` is of the busiest one in each interval, because twenty idle
ones do not make a full one better.
Rule 3: `root` stands before every path, so that recorded trees can be read.
"""

from __future__ import annotations

import os

from .kernel import KernelFile, names_in, pairs, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
SECTOR_BYTES = 512  # of /proc/diskstats, whatever the disk has
LARGE = 1 << 17
RECEIVED, SENT = 0, 8  # places in a line of /proc/net/dev behind the name
SECTORS_READ, SECTORS_WRITTEN, BUSY_MS = 5, 9, 12  # places in a line of /proc/diskstats
PRESSURES = ("cpu", "memory", "io")


class Node:
    """The node's open files; `metrics` once a look."""

    def __init__(self, scratch: str = "", root: str = "") -> None:
        self._root, self._scratch = root, scratch
        self._stat, self._meminfo = KernelFile(f"{root}/proc/stat"), KernelFile(f"{root}/proc/meminfo")
        self._net, self._disks = KernelFile(f"{root}/proc/net/dev"), KernelFile(f"{root}/proc/diskstats")
        self._snmp, self._netstat = KernelFile(f"{root}/proc/net/snmp"), KernelFile(f"{root}/proc/net/netstat")
        self._pressure = {name: KernelFile(f"{root}/proc/pressure/{name}") for name in PRESSURES}
        self._busy = self._busy_ticks()
        self._real_nics = self._real_disks = frozenset[bytes]()
        self._disk_ms: dict[bytes, int] = {}
        self._busiest_ms = 0

    def metrics(self, passed_s: float, loadavg: bytes, *, slow: bool) -> dict[str, float]:
        """What is told now; `slow` with what is told seldom."""
        if slow:
            self._real_nics = _with_hardware(f"{self._root}/sys/class/net")
            self._real_disks = _with_hardware(f"{self._root}/sys/block")
        found = self._cpu(passed_s) | self._memory() | self._pressures() | self._network() | self._storage()
        found |= _space("shm", f"{self._root}/dev/shm")
        if slow:
            found |= _space("scratch", self._scratch)
            words = loadavg.split()
            if words:
                found["load"] = float(words[0])
        return found

    def _cpu(self, passed_s: float) -> dict[str, float]:
        busy = self._busy_ticks()
        cores = max(0, busy - self._busy) / TICKS_PER_S / passed_s if passed_s > 0 else 0.0
        self._busy = busy
        return {"cpu": round(cores, 3)}

    def _busy_ticks(self) -> int:
        """Ticks of all CPUs that were not idle and not waiting for a disk; guests are part of user time."""
        fields = self._stat.read(512).split(b"\n", 1)[0].split()[1:9]
        values = list(map(int, fields))
        return sum(values) - values[3] - values[4] if len(values) > 4 else 0

    def _memory(self) -> dict[str, float]:
        found = pairs(self._meminfo.read(256), (b"MemTotal", b"MemAvailable"))
        total = found.get(b"MemTotal", 0) * 1024
        return {"memory": total - found.get(b"MemAvailable", 0) * 1024, "memory_total": total}

    def _pressures(self) -> dict[str, float]:
        """Microseconds that somebody stood still for want of it, since boot; absent where the kernel does not count."""
        found: dict[str, float] = {}
        for name, file in self._pressure.items():
            some, full = _stalled_us(file.read(512))
            if some is not None:
                found[f"psi_{name}"] = some
            if name == "memory" and full is not None:
                found["psi_memory_full"] = full
        return found

    def _network(self) -> dict[str, float]:
        found: dict[str, float] = {}
        lines = _table(self._net.read(LARGE))
        chosen = [name for name in lines if name in self._real_nics] or [name for name in lines if name != b"lo"]
        if chosen:
            found["net_rx"] = sum(int(lines[name][RECEIVED]) for name in chosen)
            found["net_tx"] = sum(int(lines[name][SENT]) for name in chosen)
        told = (("tcp_out", b"OutSegs"), ("tcp_retrans", b"RetransSegs"))
        tcp = _columns(self._snmp.read(), b"Tcp:", tuple(column for _, column in told))
        found |= {metric: tcp[column] for metric, column in told if column in tcp}
        timeouts = _columns(self._netstat.read(), b"TcpExt:", (b"TCPTimeouts",)).get(b"TCPTimeouts")
        return found if timeouts is None else found | {"tcp_timeouts": timeouts}

    def _storage(self) -> dict[str, float]:
        sectors_read = sectors_written = most_ms = seen = 0
        for line in self._disks.read(LARGE).split(b"\n"):
            fields = line.split()
            if len(fields) <= BUSY_MS or fields[2] not in self._real_disks:
                continue
            seen += 1
            sectors_read += int(fields[SECTORS_READ])
            sectors_written += int(fields[SECTORS_WRITTEN])
            busy_ms = int(fields[BUSY_MS])
            most_ms = max(most_ms, busy_ms - self._disk_ms.get(fields[2], busy_ms))
            self._disk_ms[fields[2]] = busy_ms
        if not seen:
            return {}
        self._busiest_ms += most_ms
        return {
            "disk_read": sectors_read * SECTOR_BYTES,
            "disk_write": sectors_written * SECTOR_BYTES,
            "disk_busy": self._busiest_ms,
        }


def _stalled_us(content: bytes) -> tuple[int | None, int | None]:
    """(some, full) of a file of /proc/pressure."""
    found: dict[bytes, int | None] = {}
    for line in content.split(b"\n"):
        kind, _, rest = line.partition(b" ")
        found[kind] = whole(rest.rpartition(b"total=")[2])
    return found.get(b"some"), found.get(b"full")


def _table(content: bytes) -> dict[bytes, list[bytes]]:
    """Name -> fields of the lines `name: field field …` that have them all."""
    found = {}
    for line in content.split(b"\n"):
        name, colon, rest = line.partition(b":")
        fields = rest.split()
        if colon and len(fields) > SENT:
            found[name.strip()] = fields
    return found


def _columns(content: bytes, table: bytes, names: Iterable[bytes]) -> dict[bytes, int]:
    """Columns of a table of /proc/net/snmp or netstat: a line of names, then a line of values."""
    lines = [line.split() for line in content.split(b"\n") if line.startswith(table)]
    if len(lines) != 2:
        return {}
    head, values = lines
    places = [(name, head.index(name)) for name in names if name in head]
    return {name: int(values[place]) for name, place in places if place < len(values)}


def _space(what: str, path: str) -> dict[str, float]:
    """Bytes in use and in all of the file system of `path`."""
    try:
        found = os.statvfs(path)
    except OSError:
        return {}
    total = found.f_blocks * found.f_frsize
    if not total:
        return {}
    return {f"{what}_used": total - found.f_bfree * found.f_frsize, f"{what}_total": total}


def _with_hardware(folder: str) -> frozenset[bytes]:
    """The names in a directory of /sys behind which there is a device, not software."""
    return frozenset(name.encode() for name in names_in(folder) if os.path.exists(f"{folder}/{name}/device"))
