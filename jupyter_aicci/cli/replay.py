"""`aicci replay TRACE`: the numbers of a trace under a policy, and a page of it.

Rule: progress goes to standard error, and only where that is a terminal and the replay is a long one.
"""

from __future__ import annotations

import argparse
import sys
import time

from jupyter_aicci.cli import DONE
from jupyter_aicci.cli.output import answer, say
from jupyter_aicci.client.replays import replay as played
from jupyter_aicci.model.text import duration

PATIENCE_S = 1.0  # a shorter replay shows no bar
PAUSE_S = 0.1  # between two states of the bar
BAR_CHARS = 30


def replay(given: argparse.Namespace) -> int:
    """Play it, print what came out, write the page that was asked for."""
    bar = Bar() if sys.stderr.isatty() else None
    try:
        result = played(
            given.TRACE,
            format=given.format or "csv",
            policy=given.policy,
            nodes=given.nodes,
            gpus=given.gpus,
            cluster=given.cluster,
            restart_costs=given.restart_costs or "none",
            placement=given.placement,
            seed=given.seed,
            watch=bar,
        )
    finally:
        if bar:
            bar.clear()
    if given.html:
        result.save(given.html)
        say(f"wrote {given.html}")
    answer(result.summary, repr(result), as_json=given.json)
    return DONE


class Bar:
    """How far a replay is, on one line of standard error."""

    def __init__(self) -> None:
        self._began_s = self._shown_s = time.monotonic()
        self._shown = False

    def __call__(self, done: int, jobs: int) -> None:
        now_s = time.monotonic()
        if now_s - self._began_s < PATIENCE_S or now_s - self._shown_s < PAUSE_S:
            return
        self._shown_s, self._shown = now_s, True
        left_s = (now_s - self._began_s) * (jobs - done) / max(done, 1)
        full = BAR_CHARS * done // jobs
        line = f"{'█' * full}{'░' * (BAR_CHARS - full)} {done:,} of {jobs:,} jobs, about {duration(left_s)} left"
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()

    def clear(self) -> None:
        """Leave the line as it was before."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
