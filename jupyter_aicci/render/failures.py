"""Why a run failed, for the person who wrote the cell: the first rank that failed, where, what it means, what to try.

In: the run's JSON with its verdict, and the end of that rank's log. Out: the report's lines.
Rule: never the ranks that failed because of the first one.
"""

from __future__ import annotations

import re
from typing import Any

from jupyter_aicci.render.runs import last_lines, title


def root_rank(run: dict[str, Any]) -> int:
    """The rank that the verdict names; 0 where none is to blame."""
    rank = (run.get("verdict") or {}).get("rank", 0)
    return rank if isinstance(rank, int) and rank >= 0 else 0


def headline(run: dict[str, Any]) -> str:
    """`digits (r0f3c2ab) failed: user error: rank 1: ValueError: …`, in one line."""
    verdict = run.get("verdict") or {}
    exit_class = "" if run["exit_class"] == run["state"] else run["exit_class"] or ""
    told = [exit_class, (verdict.get("text") or run["reason"] or "").split("\n")[0]]
    return f"{title(run)} {run['state']}: " + ": ".join(part for part in told if part)


def reasons(run: dict[str, Any], *, missing: tuple[str, ...] = ()) -> list[str]:
    """Who failed and why, where, what to try; `missing` are notebook names the cell reads but that were not pushed."""
    verdict = run.get("verdict") or {}
    lines = [headline(run)]
    lines += [str(verdict[key]) for key in ("where", "hint") if verdict.get(key)]
    return lines + [f"try: add --push {name}" for name in missing if _is_name_error(run, name)]


def report(run: dict[str, Any], log_end: str, *, command: str, missing: tuple[str, ...] = ()) -> str:
    """The reasons with the end of that rank's log; `command` is how the person calls us, `%aicci` or `aicci`."""
    lines = reasons(run, missing=missing)
    shown = last_lines(log_end)
    tail = str((run.get("verdict") or {}).get("tail") or "").rstrip()
    if tail and tail.split("\n")[-1] not in shown:  # a program that closed its standard error
        lines += ["", *(f"  {line}" for line in tail.split("\n"))]
    if shown:
        lines += ["", f"last lines of rank {root_rank(run)}:", *(f"  {line}" for line in shown.split("\n"))]
    more = f"{command} describe {run['id']} tells everything about it, {command} logs {run['id']} --rank R the rest."
    return "\n".join([*lines, "", more])


def _is_name_error(run: dict[str, Any], name: str) -> bool:
    """Whether a rank's own error record is about this unbound name."""
    errors = [exit_.get("error") or {} for attempt in run.get("attempts", ()) for exit_ in attempt["exits"]]
    named = re.compile(rf"name '{re.escape(name)}' is not defined")
    return any(error.get("type") == "NameError" and named.search(str(error.get("message"))) for error in errors)
