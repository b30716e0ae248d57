"""`compare`: runs side by side, forecasts, and points of time against cost, as tables.

In: the document of `client.compare`. Out: `Table`s. Rule: what is not known is a dash, and why stands under the table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jupyter_aicci.model.text import NOT_SET, duration, money, number
from jupyter_aicci.render.lists import cost_text
from jupyter_aicci.render.tables import Table

Json = dict[str, Any]
FINDINGS = 3  # of each run
BAD_TIER = {"good": "", "acceptable": "", "low": " · low"}


def runs_table(document: Json) -> Table:
    """A column for each run."""
    runs = document["runs"]
    lines: tuple[tuple[str, Callable[[Json], str]], ...] = (
        ("state", lambda run: f"{run['icon']} {run['state']}"),
        ("shape", lambda run: f"{run['shape']} ×{run['nodes']}" if run["nodes"] > 1 else str(run["shape"])),
        ("ranks", lambda run: str(run["ranks"])),
        ("batch of a rank", lambda run: _measured(run, lambda m: f"{m['batch']:g}" if m["batch"] else "–")),
        ("step time", lambda run: _measured(run, _step)),
        ("throughput", lambda run: _measured(run, lambda m: f"{_short(m['per_s'])} {m['unit']}")),
        ("speed-up", _speedup),
        ("MFU", lambda run: f"{run['mfu'] * 100:.0f} %" if run["mfu"] is not None else "–"),
        ("start-up", lambda run: _measured(run, lambda m: duration(m["startup_s"]))),
        ("cost", cost_text),
        ("cost of 1,000 steps", _cost_of_steps),
        ("for 1 currency unit", lambda run: _per(run, "per_h_micro")),
        ("for 1 kWh", lambda run: _per(run, "power_w")),
        ("useful", lambda run: run["headline"] or "–"),
        *((f"finding {place + 1}", _finding(place)) for place in range(_most_findings(runs))),
    )
    rows = tuple((name, *(cell(run) for run in runs)) for name, cell in lines)
    columns = ("", *_names(runs))
    return Table(columns=columns, named=True, rows=rows, empty="No run to compare.")


def reasons(document: Json) -> tuple[str, ...]:
    """Why a number is a dash, a sentence each, the same one once."""
    said = []
    for run in document["runs"]:
        if not run["measured"]:
            said.append(f"{run['id']}: no step time: {run['why']}.")
        elif run["speedup"]:
            said.append(f"{run['id']}: speed-up {run['speedup']['text']} ({run['speedup']['baseline_id']}).")
        elif run["speedup_why"]:
            said.append(f"{run['id']}: no speed-up: {run['speedup_why']}.")
        if run["measured"] and not run["measured"]["steady"]:
            said.append(f"{run['id']}: {run['measured']['steps']} steps only, a steady state takes 50.")
        if run["measured"] and run["mfu"] is None and "logs no flops" not in run["mfu_why"]:
            said.append(f"{run['id']}: no MFU: {run['mfu_why']}.")
    said += [one["why"] for one in document["refused"]]
    return tuple(dict.fromkeys(said))


def forecasts_table(document: Json) -> Table:
    """Node counts that were asked about."""
    rows = tuple(
        (
            told["of"],
            str(told["nodes"]),
            str(told["ranks"]),
            f"{told['ratio']:.2f} ({told['lo']:.2f}–{told['hi']:.2f}){BAD_TIER[told['tier']]}",
            duration(told["step_s"]),
            f"{_short(told['samples_per_s'])} samples/s" if told["samples_per_s"] else "–",
            _rate(told, document),
            told["note"],
        )
        for told in document["forecasts"]
    )
    columns = ("like", "nodes", "ranks", "speed-up (estimated)", "step time", "throughput", "rate", "note")
    return Table(
        columns=columns, right=("nodes", "ranks"), rows=rows, empty="No forecast was asked for: --nodes 1,2,4 does."
    )


def compare_text(document: Json) -> str:
    """All of it for a terminal."""
    parts = [runs_table(document).to_text(), "\n".join(reasons(document))]
    parts += [forecasts_table(document).to_text()] if document["forecasts"] else []
    return "\n\n".join(part for part in parts if part)


def _names(runs: list[Json]) -> tuple[str, ...]:
    return tuple(f"{run['name']} ({run['id']})" if run["name"] else str(run["id"]) for run in runs)


def _measured(run: Json, say: Callable[[Json], str]) -> str:
    return say(run["measured"]) if run["measured"] else "–"


def _step(measured: Json) -> str:
    return f"{duration(measured['step_s'])} ({duration(measured['lo_s'])} to {duration(measured['hi_s'])})"


def _speedup(run: Json) -> str:
    ratio = run["speedup"]
    return f"{ratio['ratio']:.2f} on {ratio['ranks']} against {ratio['baseline_ranks']}" if ratio else "–"


def _cost_of_steps(run: Json) -> str:
    micro = run["cost_per_step_micro"]
    if micro is None:
        return NOT_SET if run["measured"] else "–"
    return money(round(1000 * micro), run["currency"]) if micro else "free"


def _per(run: Json, what: str) -> str:
    """Samples or steps for a unit of currency, or for a kWh."""
    if not run["measured"] or not run[what]:
        return "–"
    per_h = run["measured"]["per_s"] * 3_600
    amount = per_h * 1e6 / run[what] if what == "per_h_micro" else per_h * 1_000 / run[what]
    return f"{_short(amount)} {run['measured']['unit'].removesuffix('/s')}"


def _finding(place: int) -> Callable[[Json], str]:
    return lambda run: str(run["findings"][place]["text"]) if place < len(run["findings"]) else ""


def _most_findings(runs: list[Json]) -> int:
    return min(FINDINGS, max((len(run["findings"]) for run in runs), default=0))


def _rate(told: Json, document: Json) -> str:
    currency = next(run["currency"] for run in document["runs"] if run["id"] == told["of"])
    micro = told["per_h_micro"]
    return NOT_SET if micro is None else f"{money(micro, currency)}/h" if micro else "free"


def _short(value: float) -> str:
    return number(float(f"{value:.4g}"))
