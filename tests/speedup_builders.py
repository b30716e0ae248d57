"""Points of time against cost, and measured speeds, as a test wants them."""

from __future__ import annotations

from typing import Any

from jupyter_aicci.speedup.frontier import Point


def a_point(**changes: Any) -> Point:
    known: dict[str, Any] = {
        "label": "h100x8", "accelerator": "h100", "nodes": 1, "ranks": 8, "per_s": 6_000.0, "unit": "samples/s",
        "per_h_micro": 24_000_000, "currency": "USD", "power_w": 5_000.0,
    }  # fmt: skip
    return Point(**known | changes)
