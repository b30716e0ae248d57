"""One finding as one line of text: when, what, what it costs, what to try."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_aicci.model.text import clock, duration, money


def line(finding: Mapping[str, Any], currency: str) -> str:
    """`Input-bound, 7:10 – 9:20: 43 % of each step waited for data. Try num_workers=12. (≈ $0.31 wasted)` of its JSON."""
    name = str(finding["name"])
    when = (
        f"since {clock(finding['from_s'])}"
        if finding["ongoing"]
        else f"{clock(finding['from_s'])} – {clock(finding['to_s'])}"
    )
    cost = wasted(finding, currency)
    return f"{name[:1].upper()}{name[1:]}, {when}: {finding['text']}. {finding['fix']}" + (
        f" (≈ {cost} wasted)" if cost else ""
    )


def wasted(finding: Mapping[str, Any], currency: str) -> str:
    """Its money, or where the run is free its time; "" where nothing is lost yet."""
    if finding["wasted_micro"]:
        return money(int(finding["wasted_micro"]), currency)
    return duration(finding["wasted_ns"] / 1e9) + " of rank time" if finding["wasted_ns"] >= 1e8 else ""
