"""Lists of the service as tables: runs, shapes, queues, costs, forecasts, data sets.

In: the JSON of section 6 and the time now. Out: `Table`s whose texts stand alone; no state is told by colour.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from jupyter_aicci.model.text import NOT_SET, duration, money, size
from jupyter_aicci.render.tables import Table
from jupyter_aicci.render.waits import place, when


def runs_table(runs: Iterable[dict[str, Any]], *, now: datetime) -> Table:
    """`aicci ps`: newest first, as the service answers."""
    columns = ("run", "name", "state", "shape", "queue", "submitted", "time", "cost", "why")
    right = ("time", "cost")
    rows = tuple(
        (
            run["id"],
            run["name"],
            f"{run['icon']} {run['state']}",
            shape_text(run),
            run["queue"],
            _local(run["submitted_at"], now),
            _elapsed(run, now),
            cost_text(run),
            _why(run, now),
        )
        for run in runs
    )
    return Table(
        columns=columns, right=right, rows=rows, empty="No run yet. %%aicci train, or `aicci run FILE.py`, starts one."
    )


def shape_text(run: dict[str, Any]) -> str:
    """`cpux2 ×2`; the count is left out for one node."""
    return str(run["shape"]) + (f" ×{run['nodes']}" if run["nodes"] > 1 else "")


def cost_text(run: dict[str, Any]) -> str:
    """What the run cost so far, `free` where its shape costs nothing, `–` before it has got a shape."""
    if not run["attempt"]:
        return "–"
    if run["cost_micro"] is None:
        return NOT_SET
    if run["per_h_micro"] == 0 and not run["cost_micro"]:
        return "free"
    share = f" ({run['cost_micro'] / run['budget_micro']:.0%} of its budget)" if run.get("budget_note") else ""
    return money(run["cost_micro"], run["currency"]) + (" and more" if run["unpriced"] else "") + share


def rate_text(run: dict[str, Any]) -> str:
    """`$0.62/h`, `free`, `price not set`, or `–` while several shapes are possible."""
    if run["per_h_micro"] is None:
        return NOT_SET
    if run["per_h_micro"]:
        return f"{money(run['per_h_micro'], run['currency'])}/h"
    open_shape = not run["attempt"] and (run["shape"] == "auto" or "," in run["shape"])
    return "–" if open_shape else "free"


def instant(text: str | None) -> datetime | None:
    """The instant in one of the service's ISO 8601 texts."""
    return datetime.fromisoformat(text) if text else None


def _local(text: str | None, now: datetime) -> str:
    """Time of day for today, else date and time, in the person's zone."""
    at = instant(text)
    if at is None:
        return ""
    local, today = at.astimezone(), now.astimezone().date()
    return local.strftime("%H:%M:%S" if local.date() == today else "%Y-%m-%d %H:%M")


def _elapsed(run: dict[str, Any], now: datetime) -> str:
    begin = instant(run["started_at"]) or instant(run["submitted_at"])
    end = instant(run["ended_at"]) or now
    if begin is None:
        return ""
    seconds = max(0.0, (end - begin).total_seconds())
    return duration(seconds) if run["started_at"] or run["ended_at"] else f"waits {duration(seconds)}"


def _why(run: dict[str, Any], now: datetime) -> str:
    """How it ended, or why it waits: when it starts first, since that is what a list is looked at for."""
    if run.get("why"):
        start = ", ".join(part for part in (when(run, now.timestamp()), place(run)) if part)
        return " · ".join(part for part in (start, f"{run['why']}: {run['waiting']}") if part)
    exit_class = "" if run["exit_class"] == run["state"] else run["exit_class"] or ""
    parts = [exit_class, "" if run["state"] in ("running", "succeeded") else run["reason"]]
    text = ": ".join(part for part in parts if part)
    first = text.split("\n", 1)[0]
    return first if len(first) <= 80 else first[:79] + "…"


def shapes_table(shapes: Iterable[dict[str, Any]]) -> Table:
    """`aicci shapes`."""
    columns = ("shape", "accelerators", "CPUs", "memory", "free", "price/h")
    right = ("CPUs", "memory", "free", "price/h")
    rows = tuple(
        (
            shape["name"],
            f"{shape['accelerators']} × {shape['accelerator']}" if shape["accelerators"] else "–",
            str(shape["cpus"]),
            size(shape["memory_bytes"]) if shape["memory_bytes"] else "–",
            f"{shape['free']}/{shape['total']}",
            price_text(shape["price"]["micro_per_h"], shape["price"]["currency"]),
        )
        for shape in shapes
    )
    return Table(
        columns=columns,
        right=right,
        rows=rows,
        empty="This machine offers no shape; `aicci service status` tells more.",
    )


def price_text(micro_per_h: int | None, currency: str) -> str:
    """`$55.04`, `free`, or `price not set`."""
    if micro_per_h is None:
        return NOT_SET
    return money(micro_per_h, currency) if micro_per_h else "free"


def costs_table(runs: Sequence[dict[str, Any]], *, now: datetime) -> Table:
    """`aicci cost`: every run that has cost something or will."""
    columns = ("run", "name", "state", "shape", "time", "cost", "per hour")
    right = ("time", "cost", "per hour")
    rows = [
        (
            run["id"],
            run["name"],
            f"{run['icon']} {run['state']}",
            shape_text(run),
            _elapsed(run, now),
            cost_text(run),
            rate_text(run),
        )
        for run in runs
    ]
    rows += [("total", "", "", "", "", money(micro, currency), "") for currency, micro in totals(runs).items()]
    empty = "No run yet, so nothing was spent."
    return Table(columns=columns, right=right, rows=tuple(rows) if runs else (), empty=empty)


def totals(runs: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Micro-units by currency over all runs, those without a price left out."""
    sums: dict[str, int] = {}
    for run in runs:
        if run["cost_micro"] is not None:
            sums[run["currency"]] = sums.get(run["currency"], 0) + run["cost_micro"]
    return sums


def ledger_table(ledger: dict[str, Any]) -> Table:
    """`aicci cost RUN`: one line per node that was held, and the sum."""
    columns = ("attempt", "node", "shape", "held", "cost")
    right = ("attempt", "node", "held", "cost")
    rows = [
        (
            str(entry["attempt"]),
            str(entry["node"]),
            entry["shape"],
            duration((entry["to_ns"] - entry["from_ns"]) / 1e9) + (" so far" if entry["open"] else ""),
            _amount(entry["amount_micro"], ledger),
        )
        for entry in ledger["entries"]
    ]
    rows.append(("", "", "total", "", _amount(ledger["total_micro"], ledger)))
    held_nothing = "The run has not held a node yet, so it has cost nothing."
    return Table(columns=columns, right=right, rows=tuple(rows) if ledger["entries"] else (), empty=held_nothing)


def _amount(micro: int | None, ledger: dict[str, Any]) -> str:
    """Money, `free` where the run's price is zero, or `price not set`."""
    if micro is None:
        return NOT_SET
    return money(micro, ledger["currency"]) if micro or ledger["price"]["micro_per_h"] else "free"


def data_table(sets: Iterable[dict[str, Any]]) -> Table:
    """`%aicci data`: what runs have mounted, the latest used first."""
    columns = ("data", "path", "size", "here", "last used by")
    rows = tuple(
        (row["name"], row["uri"], data_size_text(row) or "–", "yes" if row["exists"] else "gone", row["used_by"])
        for row in sets
    )
    empty = 'No run has used a data set yet. --data NAME=PATH gives one to the ranks as aicci.data["NAME"].'
    return Table(columns=columns, right=("size",), rows=rows, empty=empty)


def data_size_text(row: dict[str, Any]) -> str:
    """`138 GB`, `more than 138 GB` where measuring ended early, "" where nobody has measured it."""
    if row["size_bytes"] is None:
        return ""
    return ("more than " if row["size_is_least"] else "") + size(row["size_bytes"])


def queues_table(queues: Iterable[dict[str, Any]]) -> Table:
    """`aicci queues`: what each may count on, what its runs hold, and how many."""
    columns = ("queue", "parent", "running", "waiting", "used", "guarantee", "deserved", "limit")
    rows = tuple(
        (
            queue["name"],
            queue["parent"] or "–",
            str(queue["running"]),
            str(queue["queued"]),
            *(amounts_text(queue[key]) for key in ("used", "guarantee", "deserved", "limit")),
        )
        for queue in queues
    )
    return Table(columns=columns, right=("running", "waiting"), rows=rows, empty="This machine has no queue.")


def amounts_text(amounts: dict[str, float]) -> str:
    """`4 CPUs, 8 h100, 64.0 GB`; `–` for nothing."""
    return ", ".join(_amount_text(name, amount) for name, amount in sorted(amounts.items())) or "–"


def _amount_text(name: str, amount: float) -> str:
    if name == "memory":
        return size(amount)
    words = {"cpu": "CPU", "accelerator": "accelerator"}
    return f"{amount:.10g} {words[name]}{'' if amount == 1 else 's'}" if name in words else f"{amount:.10g} {name}"
