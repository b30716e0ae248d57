"""Runs groups of cases through real services and says what was found in each, as soon as it has ended.

A case that fails in another way than planned is an outcome, too, with its problem in words: the others go on.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from injected.plan import Group, Round
from injected.programs import Case
from injected.surroundings import Unavailable, surrounded
from live import end_everything, submit

from jupyter_aicci.client import Client, Run
from jupyter_aicci.model.errors import AicciError
from jupyter_aicci.model.states import TERMINAL
from jupyter_aicci.store.paths import Home

LIMIT_S = 180.0
LOOK_S = 1.0
CPUS = 64  # more than there are: most of these programs sleep


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was found in one run."""

    case: Case
    seed: int
    found: tuple[dict[str, Any], ...] = ()
    problem: str = ""  # the run did not go as planned
    unavailable: str = ""  # this machine does not allow its surroundings, so it was not run
    took_s: float = 0.0

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(each["id"] for each in self.found)

    @property
    def right(self) -> bool:
        expected = self.ids[:1] == (self.case.expects,) if self.case.expects else not self.ids
        return expected and not self.problem and not self.unavailable


Tell = Callable[[Outcome], None]


def run_round(together: Round, scratch: Path, tell: Tell) -> None:
    """All groups at the same time; `tell` is called with each outcome, never twice at once."""
    lock = threading.Lock()

    def one_at_a_time(outcome: Outcome) -> None:
        with lock:
            tell(outcome)

    with ThreadPoolExecutor(len(together)) as pool:
        numbered = enumerate(together)
        list(pool.map(lambda each: _run_group(each[1], scratch / str(each[0]), one_at_a_time), numbered))


def _run_group(group: Group, scratch: Path, tell: Tell) -> None:
    scratch.mkdir()
    left = dict.fromkeys(group.pairs)

    def told(outcome: Outcome) -> None:
        left.pop((outcome.case, outcome.seed))
        tell(outcome)

    problem = unavailable = ""
    try:
        with _service(group.within, scratch) as client:
            _watch(client, {pair: _start(client, *pair, scratch) for pair in group.pairs}, told)
    except Unavailable as error:
        unavailable = str(error)
    except Exception as error:  # of one group: the other rounds go on
        problem = f"{type(error).__name__}: {error}"
    for case, seed in tuple(left):
        told(Outcome(case=case, seed=seed, problem=problem, unavailable=unavailable))
    shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def _service(within: str, scratch: Path) -> Iterator[Client]:
    """A client of a home in `scratch`; at the end nothing of it lives, warm interpreters neither."""
    home = Home(scratch / "home", scratch / "runtime")
    home.root.mkdir()
    home.config.write_text(f"[local]\ncpus = {CPUS}\n")
    with surrounded(within, scratch) as before:
        client = Client(home)
        try:
            if before:
                _serve(before, home)
            submit(client, "pass", framework="torch").wait(
                LIMIT_S
            )  # from here on an interpreter is warm: no slow start
            yield client
        finally:
            if home.journal.exists():
                end_everything(client)
            _end_zygotes(scratch)


def _serve(before: tuple[str, ...], home: Home) -> None:
    """The service, as the client would start it, inside."""
    env = {**os.environ, "AICCI_HOME": str(home.root), "AICCI_RUNTIME": str(home.runtime)}
    command = [*before, sys.executable, "-m", "jupyter_aicci.service"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"the service cannot be started inside: {done.stderr.strip()[-300:]}")


def _end_zygotes(scratch: Path) -> None:
    needle = f"{scratch}/".encode()
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            zygote = b"zygote" in Path("/proc", entry, "cmdline").read_bytes()
            if zygote and needle in Path("/proc", entry, "environ").read_bytes():
                os.kill(int(entry), signal.SIGKILL)


def quick(case: Case, seconds: float) -> Case:
    """The same fault in a shorter run."""
    return replace(case, seconds=seconds)


def _start(client: Client, case: Case, seed: int, scratch: Path) -> Run:
    own = scratch / f"{''.join(letter for letter in case.name if letter.isalnum())}-{seed}"
    own.mkdir()
    if (scratch / "data.bin").exists():
        (own / "data.bin").hardlink_to(scratch / "data.bin")
    spec: dict[str, Any] = {
        "shape": (f"cpux{max(1, 1 << (case.ranks - 1).bit_length())}",),
        "ranks_per_node": case.ranks,
    } | case.spec
    return submit(client, case.text(seed=seed, scratch=str(own)), framework="torch", **spec)


def _watch(client: Client, runs: dict[tuple[Case, int], Run], told: Tell) -> None:
    """Tell of each run when it has ended, or when it should have."""
    began_s, left = time.monotonic(), dict(runs)
    while left:
        time.sleep(LOOK_S)
        late = time.monotonic() - began_s > LIMIT_S
        for (case, seed), run in tuple(left.items()):
            try:
                if not late and not _over(run, case):
                    continue
                outcome = _outcome(run, case, seed)
            except AicciError as error:
                outcome = Outcome(case=case, seed=seed, problem=f"{error}")
            del left[case, seed]
            told(replace(outcome, took_s=round(time.monotonic() - began_s, 1)))


def _over(run: Run, case: Case) -> bool:
    """Whether there is no more to wait for; a run that does not end by itself is stopped when its fault was found."""
    if run.state in TERMINAL:
        return True
    if case.stop_when_found and any(each["id"] == case.expects for each in run.view().findings):
        with contextlib.suppress(AicciError):
            run.stop(grace_s=0.0)
        run.wait(LIMIT_S)
        return True
    return False


def _outcome(run: Run, case: Case, seed: int) -> Outcome:
    state, wanted = str(run.state), "stopped" if case.stop_when_found else "succeeded"
    lines = run.logs().strip().splitlines()[-1:] if state != wanted else []
    problem = (
        f"run {run.id} is {state} instead of {wanted}; its log ends with: {''.join(lines)}" if state != wanted else ""
    )
    return Outcome(case=case, seed=seed, found=tuple(run.view().findings), problem=problem)
