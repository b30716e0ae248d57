"""Child processes of the store's tests: each is one scenario, run as `python store_children.py NAME DIRECTORY`.

They are processes of their own because they are killed at a commit, or because they mount a small or read-only disk.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from run_builders import T0, S, a_life, submitted

from jupyter_aicci.model.errors import HostError
from jupyter_aicci.model.events import Event
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.store.clock import Clock
from jupyter_aicci.store.frames import FrameStore
from jupyter_aicci.store.journal import Journal
from jupyter_aicci.store.paths import Home, prepare, source_of
from jupyter_aicci.store.sealing import finish, seal

RUNS = (RunId("r0000001"), RunId("r0000002"))
SPOOLS = tuple(source_of(attempt, 0, writer) for attempt in (1, 2) for writer in ("agent", "rank-0"))


def transactions() -> list[tuple[Event, ...]]:
    """Two lives, interleaved: what the service journals, in order."""
    lives = [a_life(run_id, t0=T0 + number * S) for number, run_id in enumerate(RUNS)]
    return [transaction for pair in zip(*lives, strict=True) for transaction in pair]


def batches() -> list[list[tuple[str, int, dict[str, Any], int]]]:
    """What the service reads from four spools, a few frames at a time."""
    return [
        [(source, 100 * (3 * round_ + i + 1), {"k": "log", "t": i, "source": source}, T0 + round_) for i in range(3)]
        for round_ in range(4)
        for source in SPOOLS
    ]


def journal_life(directory: Path) -> None:
    """Append what is not there yet, one transaction after the other, and acknowledge each on standard output."""
    journal = Journal(directory / "journal.db")
    Clock(journal, boot="boot-1", monotonic_ns=lambda: 5 * S, wall_ns=lambda: T0)
    held = {run_id: len(journal.rows(run_id)) for run_id in RUNS}
    for number, transaction in enumerate(transactions()):
        run_id = transaction[0].run_id
        if held[run_id] > 0:  # whole transactions only: what is there is a prefix
            held[run_id] -= len(transaction)
            continue
        journal.append(transaction)
        print(number, flush=True)
    journal.close()


def frames_life(directory: Path) -> None:
    """Read every spool from its cursor, one step back, as after a crash between two of them."""
    store = FrameStore(directory / "frames.db")
    for number, batch in enumerate(batches()):
        store.append(batch)
        print(number, flush=True)
        if number % 3 == 2:
            seal(store, batch[0][3])  # what is older than this round
    finish(store)
    store.close()


def rollups_life(directory: Path) -> None:
    """Samples of a node, sealed and rolled up every few seconds."""
    from jupyter_aicci.store.rollups import Rollups

    store = FrameStore(directory / "frames.db")
    rollups = Rollups(directory / "rollups", writable=True)
    for part in range(2):
        seconds = range(30 * part, 30 * part + 30)
        frames = [{"k": "sample", "t": n, "ranks": {"0": {"cpu": n / 2, "read": 9 * n}}} for n in seconds]
        store.append([(SPOOLS[0], n + 1, frame, T0 + n * S) for n, frame in zip(seconds, frames, strict=True)])
        seal(store)
        rollups.take(store)
    rollups.close()
    store.close()


def rolled_up(directory: Path) -> list[object]:
    """What the roll-ups of `rollups_life` say."""
    from jupyter_aicci.store.rollups import Rollups

    rollups = Rollups(directory / "rollups", origin_ns=T0)
    return [rollups.window(metric, ["rank-0"], 0, 60, 6).mean.tolist() for metric in ("cpu", "read")]


def disk_full(directory: Path) -> None:
    """Fill a disk of one megabyte with runs, then free some of it and go on."""
    (directory / "ballast").write_bytes(b"x" * 200_000)
    journal = Journal(directory / "journal.db")
    store = FrameStore(directory / "frames.db")
    count, code, hint = 0, "", ""
    while not code:
        try:
            journal.append([submitted(RunId(f"r{count:07}"), env=("A=" + "x" * 20_000,))])
            count += 1
        except HostError as error:
            code, hint = error.code, error.hint
    seq, runs = journal.last_seq(RunId(f"r{count - 1:07}")), len(journal.load())
    try:
        for number in range(100):
            store.append([(SPOOLS[0], number, {"k": "log", "text": "y" * 20_000}, T0)])
        frame_code = "none"
    except HostError as error:
        frame_code = error.code
    (directory / "ballast").unlink()
    after = journal.append([submitted(RunId("rzzzzzzz"))])
    more = store.append([(SPOOLS[1], 1, {"k": "log"}, T0)])[0].seq
    frames = [frame.seq for frame in store.all()]
    said = {"count": count, "code": code, "hint": hint, "seq": seq, "runs": runs, "frame_code": frame_code}
    print(json.dumps({**said, "after": after, "more": more, "frames": frames == list(range(1, more + 1))}))


def refused_home(directory: Path) -> None:
    """What `prepare` says about this home."""
    try:
        prepare(Home(root=directory / "home", runtime=directory / "home"))
        print(json.dumps({"code": "", "message": ""}))
    except HostError as error:
        print(json.dumps({"code": error.code, "message": error.message, "hint": error.hint}))


if __name__ == "__main__":
    name, place = sys.argv[1], Path(sys.argv[2])
    os.umask(0o077)
    scenarios = {"journal": journal_life, "frames": frames_life, "rollups": rollups_life, "full": disk_full}
    (scenarios | {"home": refused_home})[name](place)
