"""One finding as one line of text: when, what, what it costs, what to try. Picture and page take its parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_aicci.model.text import clock, duration, money


def line(finding: Mapping[str, Any], currency: str) -> str:
    """`Input-bound, 7:10 – 9:20: 43 % of each step waited for data. Try num_workers=12. (≈ $0.31 wasted)` of its JSON."""
    cost = cost_words(finding, currency)
    return f"{heading(finding)}: {seen(finding)} {finding['fix']}" + (f" ({cost})" if cost else "")


def heading(finding: Mapping[str, Any]) -> str:
    """`Input-bound, 7:10 – 9:20`, or `since 7:10` for what goes on."""
    name, from_s, to_s = str(finding["name"]), clock(finding["from_s"]), clock(finding["to_s"])
    when = f"since {from_s}" if finding["ongoing"] else f"{from_s} – {to_s}"
    return f"{name[:1].upper()}{name[1:]}, {when}"


def seen(finding: Mapping[str, Any]) -> str:
    """What was seen as a sentence: with a full stop, unless it ends with a program's own words that have one."""
    text = str(finding["text"])
    return text if text.endswith((".", "!", "?")) else f"{text}."


def cost_words(finding: Mapping[str, Any], currency: str) -> str:
    """`≈ $0.31 wasted`, `≈ $0.22 so far`, `≈ $0.40 at risk` of what may yet be lost; "" where it is nothing."""
    lost = _lost(finding, currency)
    # .get: an ended run's journal may be from before findings said so
    how = "at risk" if finding.get("at_risk") else "so far" if finding["ongoing"] else "wasted"
    return f"≈ {lost} {how}" if lost else ""


def _lost(finding: Mapping[str, Any], currency: str) -> str:
    """Its money, or where the run is free its time."""
    if finding["wasted_micro"]:
        return money(int(finding["wasted_micro"]), currency)
    return duration(finding["wasted_ns"] / 1e9) + " of rank time" if finding["wasted_ns"] >= 1e8 else ""
