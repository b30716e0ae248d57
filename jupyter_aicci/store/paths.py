"""Where everything lies: the home directory of runs and the runtime directory of sockets.

In: the environment (AICCI_HOME, AICCI_RUNTIME). Out: `Home`, which names every path of section 2 of
docs/explanation/processes-and-files.md; nothing else joins these paths by hand.
Rule: naming a path touches no disk; only `prepare` and `check_socket_dir` do.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jupyter_aicci.model.errors import HostError
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.store.disk import from_os_error

SOCKET_PATH_BYTES = 100  # sun_path holds 108; the rest is for the temporary names that are bound and renamed


@dataclass(frozen=True, slots=True)
class Home:
    """The two directories of one user's aicci; both absolute."""

    root: Path
    runtime: Path

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> Home:
        """The home that AICCI_HOME and AICCI_RUNTIME name, by default Jupyter's data and runtime directories."""
        root, runtime = env.get("AICCI_HOME", ""), env.get("AICCI_RUNTIME", "")
        return cls(
            root=_absolute(root) if root else _jupyter_dir("data"),
            runtime=_absolute(runtime) if runtime else _jupyter_dir("runtime"),
        )

    @property
    def journal(self) -> Path:
        return self.root / "journal.db"

    @property
    def config(self) -> Path:
        return self.root / "config.toml"

    @property
    def runs_dir(self) -> Path:
        return self.root / "runs"

    def run_dir(self, run_id: RunId) -> Path:
        """The folder of one run; it can be copied away as it is."""
        return self.runs_dir / run_id

    def spec_json(self, run_id: RunId) -> Path:
        return self.run_dir(run_id) / "spec.json"

    def secrets_json(self, run_id: RunId) -> Path:
        """{NAME: value} of `--secret`, mode 0600; the service writes, the engine reads, the run's end removes it."""
        return self.run_dir(run_id) / "secrets.json"

    def speed_json(self, run_id: RunId) -> Path:
        """What an ended run showed of its speed (`service/speed.py`)."""
        return self.run_dir(run_id) / "speed.json"

    def src_dir(self, run_id: RunId) -> Path:
        return self.run_dir(run_id) / "src"

    def results_dir(self, run_id: RunId) -> Path:
        return self.run_dir(run_id) / "results"

    def ckpt_dir(self, run_id: RunId) -> Path:
        return self.run_dir(run_id) / "ckpt"

    def node_dir(self, run_id: RunId, attempt: int, node: int) -> Path:
        """The node directory: the border between engine, agent, keeper and ranks."""
        return self.run_dir(run_id) / f"attempt-{attempt}" / f"node-{node}"

    def frames_db(self, run_id: RunId) -> Path:
        return self.run_dir(run_id) / "frames.db"

    @property
    def service_json(self) -> Path:
        return self.runtime / "service.json"

    @property
    def service_lock(self) -> Path:
        return self.runtime / "service.lock"

    @property
    def service_log(self) -> Path:
        return self.runtime / "service.log"

    @property
    def service_socket(self) -> Path:
        return self.socket("service.sock")

    def socket(self, name: str) -> Path:
        """Where the Unix socket `name` is bound: in the runtime directory, or in a short one if that is too long."""
        path = self.runtime / name
        if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
            return path
        return short_socket_dir(self.runtime) / name


def short_socket_dir(runtime: Path) -> Path:
    """`/tmp/aicci-<uid>/<hash>`: the directory of sockets whose paths would be too long for the kernel."""
    digest = hashlib.sha256(os.fsencode(runtime)).hexdigest()[:16]
    return Path("/tmp") / f"aicci-{os.getuid()}" / digest


def source_of(attempt: int, node: int, writer: str) -> str:
    """The name of a spool within its run, `attempt-1/node-0/rank-0`; `writer` is "agent" or "rank-0"."""
    return f"attempt-{attempt}/node-{node}/{writer}"


def parse_source(source: str) -> tuple[int, int, str]:
    """(attempt, node, writer) of a name that `source_of` made; raises `ValueError` for any other."""
    parts = source.split("/")
    if len(parts) != 3 or not parts[0].startswith("attempt-") or not parts[1].startswith("node-") or not parts[2]:
        raise ValueError(f"spool name {source!r}: expected attempt-A/node-N/WRITER")
    return int(parts[0].removeprefix("attempt-")), int(parts[1].removeprefix("node-")), parts[2]


def prepare(home: Home) -> None:
    """Create the directories (mode 0700) and see that they can be written to. Raises `HostError` with the way out."""
    for path in (home.root, home.runs_dir, home.runtime):
        _create(path)
    if home.service_socket.parent != home.runtime:
        _create(home.service_socket.parent.parent)
        check_socket_dir(home)
        _create(home.service_socket.parent)
    for path in (home.root, home.runtime):
        _must_be_writable(path)


def check_socket_dir(home: Home) -> None:
    """See that nobody else can have put the service's socket there. Raises `HostError` ("socket_dir_not_ours").

    For who binds it, and for who is about to speak to it: a program and its secrets go that way.
    """
    shared = home.service_socket.parent.parent
    if home.service_socket.parent != home.runtime and os.path.lexists(shared):
        _must_be_ours(shared)


def _create(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise from_os_error(error, path, "creating") from error


def _must_be_writable(path: Path) -> None:
    """Write one byte: permission bits do not tell about read-only mounts, quotas and full disks."""
    try:
        with tempfile.NamedTemporaryFile(dir=path, prefix=".probe-") as probe:
            probe.write(b"x" * 4096)
            probe.flush()
    except OSError as error:
        raise from_os_error(error, path, "writing to") from error


def _must_be_ours(path: Path) -> None:
    """/tmp is everybody's: a directory that another user made there could read what we say on the socket."""
    state = path.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o077:
        raise HostError(
            "socket_dir_not_ours",
            f"{path} is not a directory that only this user may enter, so no socket is put there.",
            hint=f"Remove {path}, or set AICCI_RUNTIME to a shorter path.",
        )


def _absolute(text: str) -> Path:
    return Path(os.path.abspath(os.path.expanduser(text)))


def _jupyter_dir(which: str) -> Path:
    """Imported here: Jupyter's paths are only needed where the two variables are not set (every rank has them)."""
    from jupyter_core import paths

    return Path(paths.jupyter_data_dir() if which == "data" else paths.jupyter_runtime_dir()) / "aicci"
