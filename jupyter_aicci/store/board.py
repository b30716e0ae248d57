"""The host's board: where the services of several users of one host tell each other what their runs hold and what waits.

In: what this service says of itself. Out: what the others say, as far as they live.
Rule 1: one file per service, replaced by rename, written by its user, readable by all. Whose it is the kernel says, not the text.
Rule 2: what waits counts while its service lives and goes on telling so; what is held counts as long as a process of it lives.
Rule 3: nobody waits for ever for anybody: a notice that is none is passed over, and a turn that cannot be had for `PATIENCE_S`
is taken without. No user can say more than `MOST_FILES` notices' worth.
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
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from jupyter_aicci.agent.identity import Claim, alive, claim_of
from jupyter_aicci.model.ids import RUN_ID
from jupyter_aicci.store.clock import boot_ns
from jupyter_aicci.store.notices import Notice, notice_json, parse_notice

PLACE = "/dev/shm/aicci"  # of this boot and of this host; a container has its own
NAME = re.compile(r"(\d{1,10})-[0-9a-f]{8}\.json")
RUN = re.compile(rf"(?<!\w){RUN_ID.pattern}(?!\w)")
STALE_NS = 30_000_000_000  # of a service that has not told for so long nothing waits: it hangs. They tell every 5 s
PATIENCE_S = 2.0
MOST_BYTES, MOST_FILES = 1 << 20, 8  # of a notice; of a user
SAID_CHARACTERS = 200  # in the log, of what is wrong with a notice
LOG = logging.getLogger("aicci.service")

Stamp = tuple[int, int, int]  # of a file: changes with its content


class Board:
    """The board as one service sees it."""

    def __init__(self, place: Path, home: Path) -> None:
        self._place = place
        self._mine = f"{os.getuid()}-{hashlib.sha256(str(home).encode()).hexdigest()[:8]}.json"
        self._claim = claim_of(os.getpid())
        self._read: dict[str, tuple[Stamp, Notice | None]] = {}  # by name: what was there, what it said
        self._has_turn = False
        self._tried_s = 0.0  # since when a turn has been waited for
        self._inode = 0  # of what was told last
        self._complained: set[str] = set()

    def others(self) -> tuple[Notice, ...]:
        """What the other services say that counts now, by user."""
        stamps = dict(self._stamps())
        self._read = {name: read for name, read in self._read.items() if name in stamps}
        for name, stamp in stamps.items():
            if name not in self._read or self._read[name][0] != stamp:
                self._read[name] = stamp, self._notice(name)
        said = {name: _living(notice) for name, (_, notice) in self._read.items() if notice is not None}
        counts = {name: notice for name, notice in said.items() if notice.claim is not None or notice.held}
        self._tidy(name for name, notice in said.items() if name not in counts and notice.uid == os.getuid())
        return tuple(sorted(counts.values(), key=lambda notice: (notice.user, notice.source)))

    def tell(self, notice: Notice) -> bool:
        """Put this service's notice in place of its last one; False where that cannot be: the others then do not see our runs."""
        body = json.dumps(notice_json(replace(notice, claim=self._claim, told_boot_ns=boot_ns()))).encode()
        temporary = self._place / f".{self._mine}.{os.getpid()}"
        try:
            _lay_out(self._place)
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            with open(fd, "wb") as file:
                os.fchmod(fd, 0o644)  # whatever the umask
                file.write(body)
                file.flush()
                self._inode = os.fstat(fd).st_ino
            temporary.rename(self._place / self._mine)
        except OSError as error:
            self._complain("", f"the host's board cannot be written, other users do not see these runs: {error}")
            with contextlib.suppress(OSError):
                temporary.unlink()
            return False
        return True

    def stands(self) -> bool:
        """Whether what was told last is still there."""
        try:
            return os.lstat(self._place / self._mine).st_ino == self._inode
        except OSError:
            return False

    def leave(self) -> None:
        """Take the notice away: nothing is held and nothing waits."""
        self._tidy([self._mine])

    @contextlib.contextmanager
    def turn(self) -> Iterator[bool]:
        """Nobody else decides meanwhile; False = somebody does now, so ask again soon. Within a turn of ours it is ours."""
        if self._has_turn:
            yield True
            return
        try:
            fd = os.open(self._place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            yield True  # no board, nobody to wait for
            return
        try:
            self._has_turn = self._locked(fd)
            yield self._has_turn
        finally:
            self._has_turn = False
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

    def _tidy(self, names: Iterable[str]) -> None:
        """Remove what nobody needs; only its user can."""
        for name in names:
            with contextlib.suppress(OSError):
                (self._place / name).unlink()

    def _stamps(self) -> Iterator[tuple[str, Stamp]]:
        """The notices of others, each a file of its own, owned by whom its name says."""
        users: Counter[str] = Counter()
        with contextlib.suppress(OSError), os.scandir(self._place) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                match = NAME.fullmatch(entry.name)
                if match is None or entry.name == self._mine or users[match[1]] >= MOST_FILES:
                    continue
                with contextlib.suppress(OSError):
                    info = entry.stat(follow_symlinks=False)
                    own = info.st_uid == int(match[1]) and info.st_nlink == 1
                    if own and stat.S_ISREG(info.st_mode) and info.st_size <= MOST_BYTES:
                        users[match[1]] += 1
                        yield entry.name, (info.st_ino, info.st_mtime_ns, info.st_size)

    def _notice(self, name: str) -> Notice | None:
        uid = int(name.split("-")[0])
        try:
            fd = os.open(self._place / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
            with open(fd, encoding="utf-8") as file:
                if os.fstat(fd).st_uid != uid:
                    return None
                body = json.loads(file.read(MOST_BYTES))
            return parse_notice(body, user=user_name(uid), uid=uid, source=name)
        except FileNotFoundError:
            return None  # taken away meanwhile
        except Exception as error:  # whatever another user wrote
            self._complain(
                name, f"the notice {name} on the host's board is passed over: {type(error).__name__}: {error}"
            )
            return None

    def _complain(self, name: str, text: str) -> None:
        """Once about each."""
        if name not in self._complained and len(self._complained) < 1000:
            self._complained.add(name)
            LOG.warning("%s: %.*s", self._place, SAID_CHARACTERS, text)


def open_board(env: Mapping[str, str], home: Path) -> Board | None:
    """The board that AICCI_BOARD names, by default the host's; None where there can be none."""
    place = Path(env.get("AICCI_BOARD") or PLACE)
    try:
        _lay_out(place)
        mode = os.lstat(place).st_mode
        if not stat.S_ISDIR(mode) or mode & 0o1777 != 0o1777:
            raise OSError(errno.EACCES, "not a sticky directory that all may write to", str(place))
    except OSError as error:
        LOG.warning("no board of this host, so other users' runs are not seen and do not see ours: %s", error)
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
    """What counts of a notice now; without a claim if its service does not live."""
    if notice.claim is not None and _is_there(notice.claim, notice.uid):
        hangs = boot_ns() - notice.told_boot_ns > STALE_NS
        return replace(notice, wants=()) if hangs else notice
    held = notice.held
    if held and not _hidden():
        runs = _runs_of_processes(notice.uid, int(time.monotonic()))
        held = tuple(each for each in held if each.run in runs)
    elif held:
        now_ns = boot_ns()
        held = tuple(each for each in held if not each.limit_s or now_ns < each.since_boot_ns + each.limit_s * 1e9)
    return replace(notice, claim=None, part_cpus=(), wants=(), held=held)


def _is_there(claim: Claim, uid: int) -> bool:
    """Whether that process of that user lives; where /proc hides other users' processes, whether any has its number."""
    if not _hidden():
        with contextlib.suppress(OSError):
            return os.stat(f"/proc/{claim.pid}").st_uid == uid and alive(claim)
        return False
    try:
        os.kill(claim.pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return alive(claim)


def _hidden() -> bool:
    """Whether /proc is mounted with hidepid: the first process is there, and we do not see it."""
    return not os.path.exists("/proc/1")


@lru_cache(maxsize=64)
def _runs_of_processes(uid: int, _second: int) -> frozenset[str]:
    """The ids of runs on the command lines of a user's processes: agents, keepers and ranks carry it. At most once a second."""
    found: set[str] = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{pid}").st_uid == uid:
                found.update(RUN.findall(Path("/proc", pid, "cmdline").read_bytes().decode(errors="replace")))
    return frozenset(found)


def user_name(uid: int) -> str:
    """The user's name on this host; the number where the host has no name for it, as in many containers."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
