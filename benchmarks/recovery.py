"""From the death of a rank (SIGKILL at a random moment) to the first new step of every rank from the last checkpoint.

Each kill is done to a run of its own, so that every one is a first fault: later ones of a run wait longer on purpose.
"""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from common import arguments, boot_s, own_house, report, spread, until
from programs import STEPS


@dataclass(frozen=True, slots=True)
class Line:
    """One step of one rank."""

    rank: int
    pid: int
    at_s: float
    step: int


def lines_of(folder: Path) -> list[Line]:
    """All steps made so far, the torn last line of a killed rank left out."""
    found = []
    for path in folder.glob("steps-*"):
        for text in path.read_text().split("\n")[:-1]:
            words = text.split()
            if len(words) == 4:
                found.append(Line(int(words[0]), int(words[1]), float(words[2]), int(words[3])))
    return found


def kill_one(folder: Path, rng: random.Random) -> tuple[float, int]:
    """(seconds from the kill until both new ranks have stepped, steps that were done twice)."""
    until("25 steps", lambda: sum(line.rank == 0 for line in lines_of(folder)) > 25)
    time.sleep(rng.random() * 0.1)  # a random moment within the steps is the experiment
    before = lines_of(folder)
    old = {line.pid for line in before}
    victim = rng.choice(sorted(old))
    killed_s = boot_s()
    os.kill(victim, signal.SIGKILL)

    def again() -> list[Line]:
        new = [line for line in lines_of(folder) if line.pid not in old]
        return new if {line.rank for line in new} == {0, 1} else []

    new = until("a new step of every rank", again)
    firsts = [min(line.at_s for line in new if line.rank == rank) for rank in (0, 1)]
    done = max(line.step for line in lines_of(folder) if line.pid in old)
    return max(firsts) - killed_s, done + 1 - min(line.step for line in new)


def main() -> None:
    kills, rng = arguments().launches, random.Random(0)
    times_s, repeated = [], []
    with own_house() as root:
        from jupyter_aicci.client import Client, Program
        from jupyter_aicci.model.spec import parse_spec

        client = Client()
        for i in range(kills):
            folder = root / f"kill-{i}"
            folder.mkdir()
            spec = {"ranks_per_node": 2, "framework": "torch", "env": [f"BENCH_OUT={folder}"], "grace": 1.0}
            run = client.submit(parse_spec(spec), Program(text=STEPS))
            seconds, again = kill_one(folder, rng)
            times_s.append(seconds)
            repeated.append(again)
            run.stop(grace_s=0.2)
            run.wait(60)
    report("recovery", {"kills": kills, **spread("kill_to_new_step", times_s), "steps_repeated_max": max(repeated)})


if __name__ == "__main__":
    main()
