"""`--push` values into the program's `__main__`, and rank 0's `--pull` values out of it.

Rule: a pushed value that cannot be read is an error before the program's first line; a pulled one never fails the run.
"""

from __future__ import annotations

import os
import pickle
import sys
from typing import Any

from ..values import write_absence, write_value
from .fresh import tell
from .session import Session


class PushError(Exception):
    """A pushed value that the ranks' environment cannot make again."""


def load_pushed(session: Session, namespace: dict[str, Any]) -> None:
    """Bind every `--push` name. Raises `PushError` with what is missing on this side."""
    for name in session.plan["push"]:
        path = os.path.join(session.run_dir, "push", f"{name}.pkl")
        try:
            with open(path, "rb") as file:
                namespace[name] = pickle.load(file)
        except Exception as error:
            hint = " Install cloudpickle there." if "cloudpickle" in str(error) else ""
            why = f"{type(error).__name__}: {error}.{hint}"
            raise PushError(
                f"--push {name}: the ranks' Python ({sys.executable}) cannot make the value again: {why}"
            ) from error


def write_pulled(session: Session, namespace: dict[str, Any]) -> None:
    """Write every `--pull` name that the program bound; what is missing or cannot be pickled is told in the log."""
    producer = {"run": session.plan["run_id"], "attempt": session.attempt, "rank": session.rank}
    folder = os.path.join(session.run_dir, "results")
    for name in session.plan["pull"]:
        try:
            if name in namespace:
                summary = write_value(folder, name, namespace[name], producer)
            else:
                summary = write_absence(folder, name, f"the program never bound {name} at its top level", producer)
            reason = summary["error"]
        except OSError as error:
            reason = f"{name} could not be written: {error}"
        if reason:
            tell(f"aicci: --pull {name}: {reason}")
