"""When a run starts, in words: expected and latest start, place in line, where, at which bandwidth.

In: the service's JSON of a waiting run or of a forecast, and now. Out: parts of a line; "" for what nobody knows.
Rule: an expected start is said with "about", since it is an estimate; a latest start is one that the scheduler keeps.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jupyter_aicci.model.text import NS, duration

SOON_S = 1.0


def when(told: Mapping[str, Any], now_s: float | None = None) -> str:
    """`starts in about 12 min (by 14:40 at the latest)`, `starts by 14:40 at the latest`, "" where nobody knows."""
    start_ns, latest_ns = told.get("start_ns"), told.get("latest_ns")
    now_s = time.time() if now_s is None else now_s
    latest = f"by {clock_time(latest_ns, now_s)} at the latest" if latest_ns else ""
    if not start_ns:
        return f"starts {latest}" if latest else ""
    left_s = start_ns / NS - now_s
    likely = f"starts in about {duration(left_s)}" if left_s > SOON_S else "starts soon"
    return f"{likely} ({latest})" if latest else likely


def clock_time(time_ns: int, now_s: float) -> str:
    """`14:40` in the person's zone, with the date where that is not today; rounded up, since it is a bound."""
    at = datetime.fromtimestamp(-(-time_ns // (60 * NS)) * 60).astimezone()
    today = datetime.fromtimestamp(now_s).astimezone().date()
    return at.strftime("%H:%M" if at.date() == today else "%Y-%m-%d %H:%M")


def place(told: Mapping[str, Any]) -> str:
    """`place 2 in line`."""
    return f"place {told['place']} in line" if told.get("place") else ""


def wait_parts(run: Mapping[str, Any], now_s: float | None = None) -> tuple[str, ...]:
    """Why it waits, when it starts, its place: what a line about a waiting run says."""
    return tuple(part for part in (str(run["reason"]), when(run, now_s), place(run)) if part)


def waiting_text(run: Mapping[str, Any], now_s: float | None = None) -> str:
    """The paragraph of `aicci describe` about a run that waits, "" for one that does not."""
    if not run.get("why"):
        return ""
    where = " · ".join(str(run[key]) for key in ("domain", "bandwidth") if run.get(key))
    told = (f"{run['why']}: {run['waiting']}", when(run, now_s), place(run), f"on {where}" if where else "")
    return "\n".join(["waiting", *(f"  {line}" for line in told if line)])


def bandwidth(found: Mapping[str, Any] | None) -> str:
    """`leaf-a: 100 %; across spine-1: 46 %`, of a forecast's or a placement's bandwidth; `–` inside hosts at their best."""
    if found is None or all(level["level"] == "host" and level["ratio"] >= 1.0 for level in found["levels"]):
        return "–"
    return str(found["text"])
