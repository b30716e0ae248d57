"""The host's board: where the services of several users of one host tell each other what their runs hold and what waits.

In: what this service says of itself. Out: what the others say, as far as they live.
Rule 1: one file per service, replaced by rename, written by its user, readable by all. Whose it is the kernel says, not the text.
Rule 2: what waits counts while its service lives and goes on telling so; what is held counts as long as a process of it lives.
Rule 3: nobody waits for ever for anybody: a notice that is none is passed over, and a turn that cannot be had for `PATIENCE_S`
is taken without.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import logging
import os
import pwd
import re
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from jupyter_aicci.agent.identity import Claim, alive, claim_of
from jupyter_aicci.store.clock import boot_ns
from jupyter_aicci.store.notices import Notice, notice_json, parse_notice

PLACE = "/dev/shm/aicci"  # of this boot and of this host; a container has its own
NAME = re.compile(r"(\d{1,10})-[0-9a-f]{8}\.json")
STALE_NS = 30_000_000_000  # of a service that has not told for so long nothing waits: it hangs. They tell every 10 s
PATIENCE_S = 2.0
MOST_BYTES = 1 << 20
LOG = logging.getLogger("aicci.service")


class Board:
    """The board as one service sees it."""

    def __init__(self, place: Path, home: Path) -> None:
        self._place = place
        self._mine = f"{os.getuid()}-{hashlib.sha256(str(home).encode()).hexdigest()[:8]}.json"
        self._claim = claim_of(os.getpid())
        self._read: dict[str, tuple[tuple[int, int, int], Notice | None]] = {}  # by name: what was there, what it said
        self._tried_s = 0.0  # since when a turn has been waited for
        self._seen: frozenset[tuple[str, int, int, int]] = frozenset()

    def others(self) -> tuple[Notice, ...]:
        """What the other services say that counts now, by user."""
        stamps = dict(self._stamps())
        self._seen = frozenset((name, *stamp) for name, stamp in stamps.items())
        self._read = {name: read for name, read in self._read.items() if name in stamps}
        for name, stamp in stamps.items():
            if name not in self._read or self._read[name][0] != stamp:
                self._read[name] = stamp, self._notice(name)
        notices = (_living(notice) for _, notice in self._read.values() if notice is not None)
        return tuple(sorted(notices, key=lambda notice: (notice.user, notice.uid)))

    def changed(self) -> bool:
        """Whether another service has told something since `others` was asked."""
        return frozenset((name, *stamp) for name, stamp in self._stamps()) != self._seen

    def tell(self, notice: Notice) -> None:
        """Put this service's notice in place of its last one; whatever goes wrong costs the others a view, not us a run."""
        body = notice_json(replace(notice, claim=self._claim, told_boot_ns=boot_ns()))
        temporary = self._place / f".{self._mine}.{os.getpid()}"
        try:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            with open(fd, "w", encoding="utf-8") as file:
                os.fchmod(fd, 0o644)  # whatever the umask
                json.dump(body, file)
            temporary.rename(self._place / self._mine)
        except OSError as error:
            LOG.warning("the host's board %s cannot be written: %s", self._place, error)

    def leave(self) -> None:
        """Take the notice away: nothing is held and nothing waits."""
        with contextlib.suppress(OSError):
            (self._place / self._mine).unlink()

    @contextlib.contextmanager
    def turn(self) -> Iterator[bool]:
        """Nobody else decides meanwhile; False = somebody does now, so ask again soon."""
        try:
            fd = os.open(self._place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            yield True  # no board, nobody to wait for
            return
        try:
            yield self._locked(fd)
        finally:
            os.close(fd)

    def _locked(self, fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._tried_s = self._tried_s or time.monotonic()
            if time.monotonic() - self._tried_s < PATIENCE_S:
                return False
        self._tried_s = 0.0
        return True

    def _stamps(self) -> Iterator[tuple[str, tuple[int, int, int]]]:
        """(name, what changes with its content) of the notices of others, each owned by whom its name says."""
        with contextlib.suppress(OSError), os.scandir(self._place) as entries:
            for entry in entries:
                match = NAME.fullmatch(entry.name)
                if match is None or entry.name == self._mine:
                    continue
                with contextlib.suppress(OSError):
                    info = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(info.st_mode) and info.st_uid == int(match[1]) and info.st_size <= MOST_BYTES:
                        yield entry.name, (info.st_ino, info.st_mtime_ns, info.st_size)

    def _notice(self, name: str) -> Notice | None:
        uid = int(name.split("-")[0])
        try:
            fd = os.open(self._place / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
            with open(fd, encoding="utf-8") as file:
                if os.fstat(fd).st_uid != uid:
                    return None
                body = json.loads(file.read(MOST_BYTES))
            return parse_notice(body, user=user_name(uid), uid=uid)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            LOG.warning("a notice on the host's board is passed over: %s: %s", self._place / name, error)
            return None


def open_board(env: Mapping[str, str], home: Path) -> Board | None:
    """The board that AICCI_BOARD names, by default the host's; None where there can be none."""
    place = Path(env.get("AICCI_BOARD") or PLACE)
    try:
        _lay_out(place)
        info = os.lstat(place)
        if not stat.S_ISDIR(info.st_mode) or not os.access(place, os.R_OK | os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, "not a directory that all may write to", str(place))
    except OSError as error:
        LOG.info("no board of this host, other users' runs are not seen: %s", error)
        return None
    return Board(place, home)


def _lay_out(place: Path) -> None:
    """The directory, writable by all from the first moment that it has its name; sticky, so that each removes only his own."""
    if place.exists():
        return
    building = place.with_name(f"{place.name}.{os.getpid()}.tmp")
    building.mkdir(parents=True)
    try:
        building.chmod(0o1777)
        building.rename(place)
    except OSError:
        building.rmdir()
        if not place.exists():  # else somebody was quicker
            raise


def _living(notice: Notice) -> Notice:
    """What counts of a notice now."""
    if notice.claim is not None and _is_there(notice.claim):
        hangs = boot_ns() - notice.told_boot_ns > STALE_NS
        return replace(notice, wants=()) if hangs else notice
    runs = _runs_of_processes(notice.uid, int(time.monotonic())) if notice.held else frozenset()
    return replace(notice, part_cpus=(), wants=(), held=tuple(held for held in notice.held if held.run in runs))


def _is_there(claim: Claim) -> bool:
    """Whether that process lives; where /proc hides other users' processes, whether any has its number."""
    if alive(claim):
        return True
    try:
        os.kill(claim.pid, 0)
    except PermissionError:
        return not os.path.exists(f"/proc/{claim.pid}")
    except (OSError, OverflowError):
        pass
    return False


@lru_cache(maxsize=64)
def _runs_of_processes(uid: int, _second: int) -> frozenset[str]:
    """The ids of runs on the command lines of a user's processes: agents, keepers and ranks carry it. At most once a second."""
    found: set[str] = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{pid}").st_uid == uid:
                line = Path("/proc", pid, "cmdline").read_bytes().decode(errors="replace")
                found.update(re.findall(r"\br[0-9a-z]{7}\b", line))
    return frozenset(found)


def user_name(uid: int) -> str:
    """The user's name on this host; the number where the host has no name for it, as in many containers."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
