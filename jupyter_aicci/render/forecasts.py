"""What would happen: the answer to `--dry-run` and the table of `forecast`.

In: answers of POST /v1/forecast, or the refusal of a shape. Out: text and a `Table`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jupyter_aicci.render.runs import spec_lines
from jupyter_aicci.render.tables import Table
from jupyter_aicci.render.waits import bandwidth, place, when


def dry_run_text(answer: dict[str, Any]) -> str:
    """Start, price, placement, spec and the ranks' environment; says that nothing was sent."""
    nodes = (answer["placement"] or {}).get("nodes", [])
    placed = [f"  node {node['index']}: {node['host']} ({node['address']})" for node in nodes]
    ranks = f"{answer['world_size']} rank" + ("s" if answer["world_size"] != 1 else "")
    environment = answer.get("environment") or {}
    whose = "node 0's launcher" if answer["spec"].get("launcher") else "rank 0"
    return "\n".join(
        [
            f"{answer['shape']} × {answer['nodes']}, {ranks} · {start_text(answer)}"
            + (f": {answer['reason']}" if answer["reason"] else ""),
            *([f"{answer['change']} would start now"] if answer["change"] else []),
            f"price: {answer['price_text']}",
            *([f"where: {answer['domain']}"] if answer["domain"] else []),
            *([f"bandwidth (estimated): {bandwidth(answer['bandwidth'])}"] if bandwidth(answer["bandwidth"]) != "–" else []),
            *(["placement", *placed] if placed else []),
            spec_lines(answer["spec"], answer["price"]["currency"]),
            *([f"environment of {whose}", *(f"  {key}={value}" for key, value in sorted(environment.items()))]
              if environment else []),
            "dry run: nothing was submitted.",
        ]
    )  # fmt: skip


def start_text(answer: dict[str, Any]) -> str:
    """`starts now`, `starts in about 12 min (by 14:40 at the latest), place 2 in line`, `nobody knows when it starts`."""
    if answer["starts"] == "now":
        return "starts now"
    return ", ".join(part for part in (when(answer) or "nobody knows when it starts", place(answer)) if part)


def forecasts_table(answers: Iterable[tuple[str, dict[str, Any] | None, str]]) -> Table:
    """`forecast`: (shape, answer or None, why not) for every shape."""
    rows = tuple(
        (
            shape,
            start_text(answer).removeprefix("starts ") if answer else "never",
            str(answer["world_size"]) if answer else "–",
            str(answer["domain"] or "–") if answer else "–",
            bandwidth(answer["bandwidth"]) if answer else "–",
            str(answer["price_text"]) if answer else "–",
            (str(answer["reason"]) if answer else why.removesuffix(" Nothing was submitted.")).split("\n")[0],
        )
        for shape, answer, why in answers
    )
    columns = ("shape", "starts", "ranks", "where", "bandwidth", "price", "why")
    return Table(columns=columns, right=("ranks",), rows=rows, empty="This machine offers no shape.")
