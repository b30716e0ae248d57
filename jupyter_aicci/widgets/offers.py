"""What the service has to choose from: shapes, queues and data sets, each as (what is shown, what it means in an option).

In: the client. Out: `Offers` by the option's field. Rule: a service that cannot be reached offers nothing, and says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jupyter_aicci.client import Client
from jupyter_aicci.model.text import size
from jupyter_aicci.render.lists import amounts_text, data_size_text, price_text

Offers = tuple[tuple[str, str], ...]


def shapes(client: Client) -> Offers:
    """`h100x8 · 8 × h100 · 3 of 8 free · $9.72/h`, after `auto`."""
    return (("auto · the smallest that fits", "auto"), *((_shape(row), str(row["name"])) for row in client.shapes()))


def queues(client: Client) -> Offers:
    """`team-a · 14 accelerators used · 1 running, 0 waiting`."""
    return tuple((_queue(row), str(row["name"])) for row in client.queues())


def data(client: Client) -> Offers:
    """Data sets that runs have mounted: `corpus · /data/corpus · 138 GB · on 1 node`."""
    return tuple((_data_set(row), f"{row['name']}={row['uri']}") for row in client.data() if row["exists"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Where an option's values come from."""

    ask: Callable[[Client], Offers]
    many: bool  # whether several may be chosen


OFFERED: dict[str, Offer] = {
    "shape": Offer(ask=shapes, many=True),
    "queue": Offer(ask=queues, many=False),
    "data": Offer(ask=data, many=True),
}


def _shape(row: dict[str, Any]) -> str:
    what = (
        f"{row['accelerators']} × {row['accelerator']}" if row["accelerators"] else amounts_text({"cpu": row["cpus"]})
    )
    memory = f"{size(row['memory_bytes'])}" if row["memory_bytes"] else ""
    price = price_text(row["price"]["micro_per_h"], row["price"]["currency"])
    price = f"{price}/h" if row["price"]["micro_per_h"] else price
    parts = (row["name"], what, memory, f"{row['free']} of {row['total']} free", price)
    return " · ".join(part for part in parts if part)


def _queue(row: dict[str, Any]) -> str:
    used = amounts_text(row["used"])
    parts = (
        row["name"],
        f"{used} used" if used != "–" else "idle",
        f"{row['running']} running, {row['queued']} waiting",
    )
    return " · ".join(parts)


def _data_set(row: dict[str, Any]) -> str:
    nodes = row["cached_nodes"]
    parts = (
        row["name"],
        row["uri"],
        data_size_text(row),
        f"on {nodes} node{'' if nodes == 1 else 's'}" if nodes else "",
    )
    return " · ".join(part for part in parts if part)
