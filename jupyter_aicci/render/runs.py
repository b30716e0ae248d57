"""One run in words: the first line, the changes of state, the bill, everything known about it, why it failed.

In: the run's JSON (section 6). Out: lines of text. The summary at a run's end is `timeline.summary`: it sees the view.
"""

from __future__ import annotations

import signal
from typing import Any

from jupyter_aicci.model.text import duration, money
from jupyter_aicci.render.lists import rate_text, shape_text
from jupyter_aicci.render.waits import bandwidth, wait_parts, waiting_text
from jupyter_aicci.store.logs import display_lines

TAIL_LINES = 30


def title(run: dict[str, Any]) -> str:
    """`digits (r0f3c2ab)`, or the id alone."""
    return f"{run['name']} ({run['id']})" if run["name"] else str(run["id"])


def state_line(run: dict[str, Any]) -> str:
    """`▶ r0f3c2ab running · cpux2 ×2 · $0.62/h`, with the reason where the state has one."""
    attempt = f" (attempt {run['attempt']})" if run["attempt"] > 1 else ""
    told = () if run["state"] in ("running", "succeeded") else wait_parts(run)
    return _joined(f"{run['icon']} {title(run)} {run['state']}{attempt}", shape_text(run), _price(run, ""), *told)


def first_line(run: dict[str, Any]) -> str:
    """`queued · cpux2 ×2 · starts now · est. $12.40/h, budget $50 · r0f3c2ab`: what the cell shows at once.

    For a run that waits, why, when it is expected to start, and its place in line stand in place of "starts now".

    A run that is past its start is told as `state_line` does.
    """
    if run["state"] not in ("submitted", "queued", "starting"):
        return state_line(run)
    told = wait_parts(run) if run["state"] == "queued" and run["reason"] else ("starts now",)
    return _joined(run["state"], shape_text(run), *told, _price(run, "est. "), title(run))


def stop_line(run: dict[str, Any]) -> str:
    """What a wish to stop has come to so far."""
    return state_line(run) if run["ended_at"] else f"{title(run)} is being stopped: it is {run['state']} now"


def _price(run: dict[str, Any], prefix: str) -> str:
    rate = {"free": "free on this machine", "–": ""}.get(rate_text(run), prefix + rate_text(run))
    budget = f"budget {money(run['budget_micro'], run['currency'])}" if run["budget_micro"] else ""
    return ", ".join(part for part in (rate, budget) if part)


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def meaning_of_exit(code: int, killed_by: int) -> str:
    """`exit code 3`, `exit code 137 = SIGKILL`; why that happened is the verdict's to say."""
    number = killed_by or (code - 128 if 128 < code < 160 else 0)
    if not number:
        return f"exit code {code}"
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return f"exit code {128 + number} = {name}"


def describe_text(run: dict[str, Any], summary: str) -> str:
    """`aicci describe`: summary, spec without its defaults, attempts with their nodes, the journal's rows."""
    parts = [
        summary,
        waiting_text(run),
        spec_lines(run["spec"], run["currency"]),
        *(_attempt_lines(attempt) for attempt in run["attempts"]),
    ]
    return "\n\n".join(part for part in [*parts, _journal_lines(run)] if part)


def spec_lines(spec: dict[str, Any], currency: str) -> str:
    """The options and program fields that are set, one a line; a budget in money, times as durations."""
    shown = {key: value for key, value in spec.items() if value not in ("", [], 0, 0.0, None)}
    width = max((len(key) for key in shown), default=0)
    return "spec\n" + "\n".join(f"  {key:<{width}}  {_value(key, value, currency)}" for key, value in shown.items())


def _value(key: str, value: Any, currency: str) -> str:
    if key == "budget":
        return money(value, currency)
    if key in ("grace", "time_limit"):
        return duration(value)
    return ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)


def _attempt_lines(attempt: dict[str, Any]) -> str:
    placement = attempt["placement"]
    resumed = f", from checkpoint step {attempt['resume_step']}" if attempt["resume_step"] >= 0 else ""
    lines = [f"attempt {attempt['number']}: {placement['shape']['name']} × {len(placement['nodes'])}{resumed}"]
    if placement["why"]:
        lines.append(f"  why here: {placement['why']}")
    if bandwidth(placement.get("bandwidth")) != "–":
        lines.append(f"  bandwidth (estimated): {bandwidth(placement['bandwidth'])}")
    lines += [f"  node {node['index']}: {node['host']} ({node['address']})" for node in placement["nodes"]]
    lines += [
        f"  rank {exit_['rank']}: {meaning_of_exit(exit_['code'], exit_['signal'])}" for exit_ in attempt["exits"]
    ]
    return "\n".join(lines)


def _journal_lines(run: dict[str, Any]) -> str:
    origin_ns = run["events"][0]["time_ns"] if run["events"] else 0
    lines = ["journal (seconds since submitted)"]
    lines += [f"  {(event['time_ns'] - origin_ns) / 1e9:9.3f}  {_event_words(event)}" for event in run["events"]]
    return "\n".join(lines)


def _event_words(event: dict[str, Any]) -> str:
    kind = event["kind"]
    if kind == "stepped":
        words = [event["step"], event["exit_class"], event["reason"]]
    elif kind == "rank_exited":
        words = [f"rank {event['rank']} exited", meaning_of_exit(event["code"], event["signal"])]
    elif kind in ("node_held", "node_released"):
        words = [kind.replace("_", " "), f"node {event['node']}"]
    else:
        words = [kind.replace("_", " "), event.get("reason", ""), event.get("text", "")]
    return " · ".join(str(word) for word in words if word)


def last_lines(text: str, limit: int = TAIL_LINES) -> str:
    """The end of a log; of lines that were written over (tqdm) only what was left to see."""
    return "\n".join(display_lines(text)[-limit:])
