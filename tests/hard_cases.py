"""What tests of bad input and faults need beside `live`: commands in a terminal, disks to fill, the journal from outside."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from jupyter_aicci.agent.identity import alive, claim_of
from jupyter_aicci.client import Client, Run

QUIET = """
import os, time
while not os.path.exists({flag!r}):
    aicci.log(beat=1)
    time.sleep(0.02)
"""


def aicci(*words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """(exit status, standard output, standard error) of one command in a terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_aicci.cli", *words],
        cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def mount_tmpfs(path: Path, options: str) -> None:
    """Put an empty disk of its own over `path`."""
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(path)], check=True)


def fill(path: Path) -> None:
    """A file that takes every block that is left on its disk."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(b"\1" * size)
            except OSError:
                continue


def journal(client: Client) -> list[tuple[int, str, str, int]]:
    """(seq, run, kind, time) of every row, as another process reads them."""
    db = sqlite3.connect(f"file:{client.home.journal}?mode=ro", uri=True)
    try:
        return db.execute("SELECT seq, run_id, kind, time_ns FROM rows ORDER BY seq").fetchall()
    finally:
        db.close()


def logged(client: Client, run: Run, name: str) -> dict[str, list[float]]:
    """Every value of one name, by the spool it came from, as frames.db has them."""
    db = sqlite3.connect(f"file:{client.home.frames_db(run.id)}?mode=ro", uri=True)
    query = "SELECT source, frame ->> ('$.values.' || ?) FROM frames WHERE frame ->> '$.k' = 'log' ORDER BY seq"
    try:
        found: dict[str, list[float]] = {}
        for source, value in db.execute(query, (name,)):
            found.setdefault(source, []).append(value)
        return found
    finally:
        db.close()


def lives(pid: int) -> bool:
    """Whether a process runs under this number now; a zombie does not."""
    claim = claim_of(pid)
    return claim is not None and alive(claim)
