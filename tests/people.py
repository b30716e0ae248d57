"""People on one host beside the one who runs the tests, each with a service, an `aicci` and a home of his own.

Under real user ids of their own where the tests run as root and may hand on `dac_read_search`, which lets the other users read a
Python that lies in root's home and nothing else (a container may not have it); else homes of one user, which differ in nothing
but the owner of their notices.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from jupyter_aicci.store.board import user_name

LIMIT_S = 60.0
WAITS = (
    "import pathlib, time\nprint('started', flush=True)\nwhile not pathlib.Path({flag!r}).exists(): time.sleep(0.02)\n"
)
UIDS = {"alice": 61001, "bob": 61002}


def become(name: str) -> list[str]:
    """What stands before a command that this person runs; nothing where all are one user."""
    return _as_user(UIDS[name]) if are_users() else []


@cache
def are_users() -> bool:
    """Whether people can have user ids of their own here."""
    if os.getuid() != 0:
        return False
    command = [*_as_user(UIDS["alice"]), sys.executable, "-c", ""]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _as_user(uid: int) -> list[str]:
    can = "+dac_read_search"
    return [
        "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", f"--inh-caps={can}", f"--ambient-caps={can}",
    ]  # fmt: skip


@dataclass
class Person:
    """One user at a terminal."""

    name: str
    place: Path
    board: Path

    @property
    def flag(self) -> Path:
        return self.place / "flag"

    @property
    def known_as(self) -> str:
        """What the other is told."""
        return user_name(UIDS[self.name] if are_users() else os.getuid())

    def aicci(self, verb: str, *words: str) -> Any:
        """The JSON that the command prints."""
        env = os.environ | {
            "HOME": str(self.place),
            "AICCI_HOME": str(self.place / "home"),
            "AICCI_RUNTIME": str(self.place / "run"),
            "AICCI_BOARD": str(self.board),
            "AICCI_LOCAL_CPUS": "4",
        }
        command = [*become(self.name), sys.executable, "-m", "jupyter_aicci.cli", verb, "--json", *words]
        done = subprocess.run(
            command, cwd=self.place, env=env, text=True, capture_output=True, timeout=LIMIT_S, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def sends(self, program: str, *words: str) -> str:
        """The id of a run that was accepted."""
        return str(self.aicci("run", "--detach", "--shape", "cpux4", *words, f"{program}.py")["id"])

    def sees(self, run_id: str) -> dict[str, Any]:
        return dict(self.aicci("describe", run_id))

    def service_pid(self) -> int:
        return int(self.aicci("service", "status")["pid"])


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The host's board: not there yet, in a directory that is everybody's, as /dev/shm."""
    shared = tmp_path / "shm"
    shared.mkdir()
    shared.chmod(0o1777)
    monkeypatch.setenv("AICCI_BOARD", str(shared / "aicci"))
    return shared / "aicci"


@pytest.fixture
def person(tmp_path: Path, board: Path) -> Iterator[Callable[[str], Person]]:
    """`person("alice")`; services and runs end with the test."""
    people: list[Person] = []
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o011)  # others may pass through

    def make(name: str) -> Person:
        place = tmp_path / name
        place.mkdir()
        one = Person(name, place, board)
        (place / "ok.py").write_text("print('done')\n")
        (place / "waits.py").write_text(WAITS.format(flag=str(one.flag)))
        if are_users():
            for path in (place, *place.iterdir()):
                os.chown(path, UIDS[name], UIDS[name])
        people.append(one)
        return one

    yield make
    for one in people:
        one.flag.touch()
        for run in one.aicci("ps"):
            if not run["ended_at"]:
                one.aicci("stop", run["id"])
        one.aicci("service", "stop")


def until(person: Person, run_id: str, state: str) -> dict[str, Any]:
    """The run as its owner sees it, once it is in that state."""
    deadline_s = time.monotonic() + LIMIT_S
    while (seen := person.sees(run_id))["state"] != state:
        assert time.monotonic() < deadline_s, f"{run_id} never came to be {state}: {seen}"
    return seen
