"""The run in words and as one row: `run_summary` is the row of section 6, `summary_text` the words.

The words are the cell's text/plain, `aicci describe`, and the accessible description of picture and chart; so they say
everything that the picture shows. They are made from a view alone, which may come over the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from jupyter_aicci.model.placement import Bandwidth
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.states import ICONS, State
from jupyter_aicci.model.text import NOT_SET, NS, duration, money
from jupyter_aicci.timeline.colours import in_order, look
from jupyter_aicci.timeline.lanes import PhaseLane, SeriesLane, View
from jupyter_aicci.timeline.many import NODES
from jupyter_aicci.timeline.tiles import SPEED_UP, per_h_micro


def run_summary(run: Run, *, cost_micro: int, seq: int = 0, told: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The keys of `aicci ps --json` and those beside them; `seq` is the run's last journal row.

    `told` is what the scheduler says now of a run that waits; without it the journal's words stand there.
    """
    attempt, waits = run.attempt, _waits(run) | dict(told or {})
    ranks = max(1, run.spec.ranks_per_node)
    return {
        "id": run.id,
        "name": run.name,
        "state": str(run.state),
        "shape": run.shape,
        "nodes": len(attempt.placement.nodes) if attempt else run.spec.nodes,
        "queue": run.spec.queue,
        "owner": run.spec.owner,
        "submitted_at": iso(run.submitted_ns),
        "started_at": iso(run.started_ns),
        "ended_at": iso(run.ended_ns),
        "exit_class": run.exit_class or None,
        "cost_micro": cost_micro if run.cost_known else None,  # None: nobody has set a price
        "currency": run.price.currency,
        "per_h_micro": per_h_micro(run) if run.price.known else None,
        "unpriced": run.unpriced,  # part of what it held has no price: the cost is of the rest
        "reason": run.reason if run.ended or run.holds_nodes else waits["waiting"] or run.reason,
        "icon": ICONS[run.state],
        "world_size": attempt.placement.world_size if attempt else run.spec.nodes * ranks,
        "attempt": attempt.number if attempt else 0,
        "budget_micro": run.spec.budget,
        "budget_note": "" if run.ended else run.budget_note,  # told from 80 % on
        "seq": seq,
        **waits,
    }


def _waits(run: Run) -> dict[str, Any]:
    """What is known of a start to come from the journal alone; where the run has its nodes, the bandwidth that they have."""
    placement = run.attempt.placement if run.attempt and run.holds_nodes else None
    bandwidth, waits = placement.bandwidth if placement else None, not run.ended and not run.holds_nodes
    return {
        "waiting": run.waiting if waits else "",
        "why": (run.why or None) if waits else None,
        "place": 0,  # in line, 1 = first; 0 = not in line, or not known
        "start_ns": None,  # when it is expected to start
        "latest_ns": None,  # when it starts at the latest
        "domain": "",
        "bandwidth": bandwidth_words(bandwidth) if bandwidth else "",
    }


def bandwidth_words(bandwidth: Bandwidth) -> str:
    """`leaf-a: 100 %; across spine-1: 46 %`; "" where there was nothing to choose: inside hosts at their best."""
    chosen = any(level.level != "host" or level.ratio < 1.0 for level in bandwidth.levels)
    return bandwidth.text if chosen else ""


def iso(time_ns: int) -> str | None:
    """ISO 8601 in UTC to the millisecond; 0 is none."""
    if not time_ns:
        return None
    return datetime.fromtimestamp(time_ns // NS, UTC).replace(microsecond=time_ns % NS // 1000).isoformat(
        timespec="milliseconds"
    )  # fmt: skip


def summary_text(view: View) -> str:
    """What it is, how it stands, time, steps and values, cost, what failed, and a line for each finding."""
    lines = [
        _headline(view),
        *_reason(view),
        _times(view),
        *_values(view),
        _cost(view),
        *_failure(view),
        *_findings(view),
    ]
    return "\n".join(line for line in lines if line)


def _headline(view: View) -> str:
    run = view.run
    name = f"{run['name']} ({run['id']})" if run["name"] else run["id"]
    attempt = f", attempt {run['attempt']}" if run["attempt"] > 1 else ""
    ranks = f", {run['world_size']} ranks" if run["world_size"] > 1 else ""
    return f"{run['icon']} {name} · {run['state']} · {run['shape']} × {run['nodes']}{ranks}{attempt}"


def _reason(view: View) -> list[str]:
    run = view.run
    told = run["state"] in (State.RUNNING, State.SUCCEEDED) or view.verdict
    return [] if told or not run["reason"] else [str(run["reason"])]


def _times(view: View) -> str:
    """Seconds in each phase of the first node, of many nodes of what most were in; the phases of a node sum to its time."""
    bars = [lane for lane in view.lanes if isinstance(lane, PhaseLane)]
    spans = bars[0].spans if bars else ()
    total = dict.fromkeys(in_order(span.phase for span in spans), 0.0)
    for span in spans:
        total[span.phase] += span.t1_s - span.t0_s
    parts = [f"{look(phase).label} {duration(s)}" for phase, s in total.items() if s >= 0.05]
    whose = "" if len(bars) < 2 else f" (most of {bars[0].name})" if bars[0].id == NODES else " (node 0)"
    return f"{duration(view.end_s)} in all{whose}: {', '.join(parts)}" if parts else f"{duration(view.end_s)} in all"


def _values(view: View) -> list[str]:
    _, steps, rate, *_ = view.tiles
    parts = [f"{steps.value} steps"] if steps.value != "–" else []
    parts += [f"{rate.value} {rate.label}"] if rate.value != "–" else []
    parts += [
        f"speed-up {tile.value} on {tile.label.split()[-1]} ranks"
        for tile in view.tiles
        if tile.label.startswith(SPEED_UP)
    ]
    lanes = [lane for lane in view.lanes if isinstance(lane, SeriesLane)]
    parts += [f"{lane.name} {lane.value}" for lane in lanes if lane.id.startswith("value:") and lane.name != rate.label]
    parts += [f"{lane.name} {lane.value}" for lane in lanes if lane.id in ("cpu", "memory") and view.live]
    return [", ".join(parts)] if parts else []


def _cost(view: View) -> str:
    run, tile = view.run, view.tiles[-1]
    if run["cost_micro"] is None:
        return f"cost: {NOT_SET}"
    if tile.value == "–":
        return "cost: depends on the shape that it gets"
    if run["per_h_micro"] == 0 and not run["cost_micro"]:
        return "cost: free on this machine"
    budget = f" of {money(run['budget_micro'], run['currency'])}" if run["budget_micro"] else ""
    rate = NOT_SET if run["per_h_micro"] is None else f"{money(run['per_h_micro'], run['currency'])}/h"
    rest = " and nodes without a price" if run["unpriced"] else ""
    source = f" ({tile.note})" if tile.note else ""
    return f"cost: {money(run['cost_micro'], run['currency'])}{rest}{budget} at {rate}{source}"


def _failure(view: View) -> list[str]:
    if not view.verdict:
        return []
    return [f"{headline}" for headline in verdict_lines(view.verdict)]


def _findings(view: View) -> list[str]:
    if not view.findings:
        return []
    from jupyter_aicci.timeline.findings.words import line

    return [line(finding, view.run["currency"]) for finding in view.findings]


def verdict_lines(verdict: dict[str, Any]) -> list[str]:
    """What failed, in one to three lines: who and why, where, what to try."""
    keys = ("text", "where", "hint")
    return [str(verdict[key]) for key in keys if verdict.get(key)]
