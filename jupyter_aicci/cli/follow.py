"""Following a run in a terminal: rank 0's log as it appears, then how it ended.

Ctrl-C once detaches and says how to come back, within `SECOND_PRESS_S` again it cancels the run; `--on-stop cancel`
cancels at once. Out: the exit status; 0 only for a run that succeeded under our eyes.
"""

from __future__ import annotations

import time
from typing import Any

from jupyter_aicci.cli import DONE, FAILED
from jupyter_aicci.cli.output import answer, say, write
from jupyter_aicci.client import Run
from jupyter_aicci.model.errors import ConflictError
from jupyter_aicci.model.states import TERMINAL, State
from jupyter_aicci.render.failures import reasons, report, root_rank
from jupyter_aicci.render.runs import state_line

SECOND_PRESS_S = 3.0
LOG_END_BYTES = 16_384


def follow(run: Run, *, as_json: bool, on_stop: str = "detach") -> int:
    """Show the run until it ends or the person leaves it; with `--json` the log goes to standard error."""
    try:
        _show_log(run, as_json=as_json)
        summary = run.wait()
    except KeyboardInterrupt:
        if on_stop != "cancel" and not _pressed_again(run):
            return _left(run, as_json=as_json)
        try:
            summary = _cancel(run)
        except KeyboardInterrupt:
            return _left(run, as_json=as_json)
    return _ended(run, summary, as_json=as_json)


def _show_log(run: Run, *, as_json: bool) -> None:
    for text in run.follow(0):
        if as_json:
            say(text.rstrip("\n"))
        else:
            write(text)


def _pressed_again(run: Run) -> bool:
    try:
        say(f"\n{run.id} goes on without this terminal: `aicci attach {run.id}` shows it.\n"
            f"Press Ctrl-C again within {SECOND_PRESS_S:.0f} s to cancel the run instead.")  # fmt: skip
        time.sleep(SECOND_PRESS_S)
    except KeyboardInterrupt:
        return True
    return False


def _cancel(run: Run) -> dict[str, Any]:
    say(f"\ncancelling {run.id}: its ranks were asked to end, and are killed after the grace")
    try:
        summary = run.stop(reason="stopped from the terminal")
    except ConflictError:  # it ended just now
        return run.summary()
    return summary if summary["state"] in TERMINAL else run.wait()


def _left(run: Run, *, as_json: bool) -> int:
    if as_json:
        answer(run.summary(), "", as_json=True)
    return FAILED


def _ended(run: Run, summary: dict[str, Any], *, as_json: bool) -> int:
    succeeded = summary["state"] == State.SUCCEEDED
    if as_json:
        answer(summary, "", as_json=True)
        say(state_line(summary))
    elif succeeded:
        from jupyter_aicci.timeline.summary import summary_text

        say(summary_text(run.view()))
    if not succeeded:
        details = run.details()
        rank = root_rank(details)
        seen = rank == 0 and not as_json  # its log was on the screen just now
        log_end = "" if seen else run.logs(rank, tail_bytes=LOG_END_BYTES)
        say("\n".join(reasons(details)) if seen else report(details, log_end, command="aicci"))
    return DONE if succeeded else FAILED
