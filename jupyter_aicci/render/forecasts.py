"""What would happen: the answer to `--dry-run` and the table of `forecast`.

In: answers of POST /v1/forecast, or the refusal of a shape. Out: text and a `Table`.
Rule: the speed-up is that of one rank over the smallest run that was measured, 1 = perfect; where nobody knows, it says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jupyter_aicci.model.text import duration, money
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


def start_text(answer: dict[str, Any], now_s: float | None = None) -> str:
    """`starts now`, `starts in about 12 min (by 14:40 at the latest), place 2 in line`, `nobody knows when it starts`."""
    if answer["starts"] == "now":
        return "starts now"
    return ", ".join(part for part in (when(answer, now_s) or "nobody knows when it starts", place(answer)) if part)


def outlook_lines(answer: dict[str, Any], now_s: float | None = None) -> list[str]:
    """`starts now in leaf-a · $19.44/h`, the bandwidth, and how the program would do: what a form says while one types."""
    start = f"{start_text(answer, now_s)} in {answer['domain']}" if answer["domain"] else start_text(answer, now_s)
    lines = [f"{start} · {answer['shape']} ×{answer['nodes']} · {answer['price_text']}"]
    lines += [line for line in (str(answer["reason"]).split("\n")[0],) if line]
    if bandwidth(answer["bandwidth"]) != "–":
        lines.append(f"bandwidth {bandwidth(answer['bandwidth'])} (estimated)")
    outlook = answer.get("outlook") or {}
    told = [speed_up_text(answer), finish_text(answer)]
    if any(part != "–" for part in told):
        lines.append(" · ".join(part for part in told if part != "–") + f" (estimated: {outlook['basis']})")
    elif outlook.get("basis"):
        lines.append(f"speed-up and cost to finish are not known: {outlook['basis']}")
    return lines


def speed_up_text(answer: dict[str, Any]) -> str:
    """`speed-up on 16 ranks ≈ 0.91` a rank, `–` where nobody knows."""
    outlook = answer.get("outlook") or {}
    ratio = outlook.get("ratio")
    return "–" if ratio is None else f"speed-up on {outlook['ranks']} ranks ≈ {ratio:.2f}"


def finish_text(answer: dict[str, Any]) -> str:
    """`finishes in about 12 min for $3.10`, `–` where nobody knows."""
    outlook = answer.get("outlook") or {}
    if outlook.get("finish_s") is None:
        return "–"
    micro = outlook.get("finish_micro")
    cost = f" for {money(micro, answer['currency'])}" if micro else ""
    return f"finishes in about {duration(outlook['finish_s'])}{cost}"


def forecasts_table(answers: Iterable[tuple[str, dict[str, Any] | None, str]]) -> Table:
    """`forecast`: (shape, answer or None, why not) for every shape."""
    answers = list(answers)
    rows = [_row(*answer) for answer in answers]
    columns = ["shape", "starts", "ranks", "where", "bandwidth", "price", "why"]
    if any(answer and answer.get("outlook") for _, answer, _ in answers):
        columns[-1:-1] = ["speed-up", "to finish"]
        rows = [[*row[:-1], *_progress(answer), row[-1]] for row, (_, answer, _) in zip(rows, answers, strict=True)]
    shown = tuple(map(tuple, rows))
    return Table(columns=tuple(columns), right=("ranks",), rows=shown, empty="This machine offers no shape.")


def _row(shape: str, answer: dict[str, Any] | None, why: str) -> list[str]:
    if answer is None:
        return [shape, "never", "–", "–", "–", "–", why.removesuffix(" Nothing was submitted.").split("\n")[0]]
    starts, where = start_text(answer).removeprefix("starts "), str(answer["domain"] or "–")
    reason = str(answer["reason"]).split("\n")[0]
    speed = bandwidth(answer["bandwidth"])
    return [shape, starts, str(answer["world_size"]), where, speed, str(answer["price_text"]), reason]


def _progress(answer: dict[str, Any] | None) -> tuple[str, str]:
    if answer is None:
        return "–", "–"
    return speed_up_text(answer).rpartition(" ")[2], finish_text(answer).removeprefix("finishes in about ")
