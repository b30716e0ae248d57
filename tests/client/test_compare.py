"""Comparing and probing without a service: which program it is, rows and points of a comparison, and the words beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_aicci.client.compare import compare, points_of, save_page
from jupyter_aicci.client.fingerprint import fingerprint
from jupyter_aicci.client.focus import save_focus
from jupyter_aicci.client.probe import Probed
from jupyter_aicci.client.program import Program
from jupyter_aicci.model.spec import RunSpec
from jupyter_aicci.render.compare import compare_text, forecasts_table, reasons, runs_table
from jupyter_aicci.speedup.measure import Throughput, speed_up
from jupyter_aicci.speedup.picture import picture
from jupyter_aicci.speedup.sizes import Size

Json = dict[str, Any]
SPEC, PROGRAM = RunSpec(), Program(text="print('step')")


def a_throughput(ranks: int, nodes: int, step_s: float) -> Throughput:
    return Throughput(
        nodes=nodes, ranks=ranks, steps=200, step_s=step_s, lo_s=step_s * 0.99, hi_s=step_s * 1.01, batch=32.0
    )


class Recorded:
    """Answers of a service that were recorded: speeds of eight H100 and of sixteen Ascend 910B, which one machine does not have."""

    def __init__(self, **runs: Json) -> None:
        self._runs = runs

    def run(self, ref: str) -> Recorded:
        self.id = ref
        return self

    def summary(self) -> Json:
        speed = self._runs[self.id]
        return {"id": self.id, "name": "", "state": "succeeded", "icon": "✓", "shape": speed["shape"], "nodes": speed["nodes"],
                "attempt": 1, "cost_micro": 1_000_000, "currency": "USD", "unpriced": speed["per_node_micro"] is None,
                "world_size": speed["measured"]["ranks"] if speed["measured"] else 8}  # fmt: skip

    def speed(self, ref: str, *, nodes: Sequence[int] = ()) -> Json:
        return self._runs[ref]

    def view(self, ref: str, **_: Any) -> Json:
        return {"headline": "", "findings": []}

    def focus(self) -> Json:
        return {"version": "1.2", "rows": []}


def a_speed(accelerator: str, nodes: int, step_s: float | None, per_node_micro: int | None, **changes: Any) -> Json:
    found = a_throughput(8 * nodes, nodes, step_s) if step_s else None
    known: Json = {
        "fingerprint": "f" * 16, "accelerator": accelerator, "shape": f"{accelerator}x8", "nodes": nodes,
        "measured": found.to_json() if found else None, "why": "" if found else "it has not started", "speedup": None,
        "speedup_why": "no run of this program with fewer ranks has been measured", "mfu": None,
        "mfu_why": "the program logs no flops_bf16=…", "power_w": 5_000.0 * nodes, "forecasts": [], "forecast_refused": None,
        "per_node_micro": per_node_micro,
    }  # fmt: skip
    return known | changes


FORECAST: Json = {
    "nodes": 4, "ranks": 32, "batch": 32.0, "kind": "weak", "ratio": 0.86, "lo": 0.79, "hi": 0.93, "step_s": 0.05,
    "tier": "acceptable", "samples_per_s": 20_480.0, "per_h_micro": 96_000_000, "note": "from one size over nodes",
    "estimated": True,
}  # fmt: skip


@pytest.fixture
def document() -> Json:
    base = a_throughput(8, 1, 0.043)
    ratio = speed_up(a_throughput(16, 2, 0.046), base).to_json() | {"baseline_id": "h100a"}
    client = Recorded(
        h100a=a_speed("h100", 1, 0.043, 24_000_000, forecasts=[FORECAST]),
        h100b=a_speed("h100", 2, 0.046, 24_000_000, speedup=ratio, forecasts=[FORECAST]),
        ascend=a_speed(
            "ascend910b", 2, 0.09, None, forecast_refused="no speed-up is forecast: it was measured at one size only."
        ),
        queued=a_speed("h100", 1, None, 24_000_000, power_w=None),
    )
    return compare(client, ("h100a", "h100b", "ascend", "queued"), (4,))  # type: ignore[arg-type]


def test_the_document_has_the_keys_that_scripts_depend_on(document: Json) -> None:
    """Runs in the order they were asked for, forecasts once a program and kind of accelerator, refusals with their reason."""
    assert set(document) == {"runs", "forecasts", "refused", "points"}
    assert [run["id"] for run in document["runs"]] == ["h100a", "h100b", "ascend", "queued"]
    assert set(document["runs"][0]) == {
        "id", "name", "state", "icon", "shape", "nodes", "attempt", "cost_micro", "currency", "unpriced", "fingerprint",
        "accelerator", "measured", "why", "speedup", "speedup_why", "mfu", "mfu_why", "power_w", "ranks", "per_h_micro",
        "cost_per_step_micro", "headline", "findings",
    }  # fmt: skip
    assert [(told["of"], told["nodes"], told["ratio"]) for told in document["forecasts"]] == [("h100a", 4, 0.86)]
    assert document["refused"] == [
        {"of": "ascend", "why": "no speed-up is forecast: it was measured at one size only."}
    ]
    assert document["runs"][1]["cost_per_step_micro"] == pytest.approx(48_000_000 * 0.046 / 3_600)
    assert document["runs"][2]["cost_per_step_micro"] is None


def test_nvidia_and_ascend_are_points_of_one_picture(document: Json) -> None:
    """Three measured and one forecast; without a price there is no place on the frontier, without steps no point."""
    points = points_of(document)
    assert [(point.label, point.accelerator, point.estimated) for point in points] == [
        ("h100x8", "h100", False), ("h100x8 ×2", "h100", False), ("ascend910bx8 ×2", "ascend910b", False),
        ("h100x8 ×4", "h100", True),
    ]  # fmt: skip
    assert [drawn["best"] for drawn in document["points"]] == [True, True, False, True]
    assert points[2].cost is None
    assert points[3].power_w == pytest.approx(20_000.0)
    assert (points[3].lo_per_s, points[3].hi_per_s) == (
        pytest.approx(20_480 * 0.79 / 0.86),
        pytest.approx(20_480 * 0.93 / 0.86),
    )
    assert picture(points).startswith(b"\x89PNG")


def test_a_dash_has_its_reason_under_the_table(document: Json) -> None:
    """Once each; what is known is a number with its kind."""
    rows = {row[0]: row[1:] for row in runs_table(document).rows}
    assert rows["speed-up"] == ("–", "0.93 on 16 against 8", "–", "–")
    assert rows["cost of 1,000 steps"][2:] == ("price not set", "–")
    assert rows["step time"][0] == "43 ms (43 ms to 43 ms)"
    said = reasons(document)
    (ratio,) = (line for line in said if line.startswith("h100b: speed-up 0.93 ("))
    assert "weak, batch 32 a rank on 16 ranks against 32 on 8" in ratio
    assert "queued: no step time: it has not started." in said
    assert "no speed-up is forecast: it was measured at one size only." in said
    assert len(said) == len(set(said))
    (forecast,) = forecasts_table(document).rows
    assert forecast[:4] == ("h100a", "4", "32", "0.86 (0.79–0.93)")
    assert "$96.00/h" in forecast
    assert "SPEED-UP (ESTIMATED)" in compare_text(document)
    assert "h100a" in compare_text(document).splitlines()[0]  # an id is written as it is


def test_what_changes_a_step_changes_the_fingerprint() -> None:
    """Text, words, variables, data, launcher and framework."""
    mark = fingerprint(SPEC, PROGRAM)
    assert len(mark) == 16
    assert fingerprint(SPEC, PROGRAM) == mark
    changed: list[Json] = [
        {"argv": ("--lr", "1")},
        {"env": ("A=1",)},
        {"data": ("d=/tmp",)},
        {"launcher": "torchrun"},
        {"framework": "jax"},
    ]
    marks = {fingerprint(replace(SPEC, **change), PROGRAM) for change in changed}
    assert len(marks | {mark, fingerprint(SPEC, Program(text="print('other')"))}) == 2 + len(changed)


def test_what_a_person_changes_between_sizes_does_not() -> None:
    """Nodes, ranks, shape, queue, limits, a name; nor do the values that are pushed, or the order of variables."""
    same: list[Json] = [
        {"nodes": 4},
        {"ranks_per_node": 2},
        {"shape": ("cpux2",)},
        {"queue": "q"},
        {"budget": 5},
        {"time_limit": 9.0},
        {"name": "n"},
    ]
    assert {fingerprint(replace(SPEC, **change), PROGRAM) for change in same} == {fingerprint(SPEC, PROGRAM)}
    assert fingerprint(SPEC, Program(text=PROGRAM.text, push={"x": 1})) == fingerprint(SPEC, PROGRAM)
    two = (replace(SPEC, env=order) for order in (("A=1", "B=2"), ("B=2", "A=1")))
    assert len({fingerprint(each, PROGRAM) for each in two}) == 1


def test_a_probe_says_what_it_saw() -> None:
    """The step's time, how many steps, whether that is a steady state, and that it was known before."""
    measured = a_throughput(4, 2, 0.084).to_json()
    assert Probed(size=Size(2, 2), speed={"measured": measured}).text == "probe 2 × 2 ranks: 84 ms a step (200 steps)"
    assert Probed(size=Size(1, 1), speed={"measured": measured}, known=True).text.endswith(
        "(200 steps, measured before)"
    )
    few = measured | {"steps": 9, "steady": False}
    assert Probed(size=Size(1, 1), speed={"measured": few}).text.endswith(
        "(9 steps, fewer than it takes for a steady state)"
    )
    assert Probed(size=Size(1, 2), speed=None, why="no room").text == "probe 2 ranks: nothing measured: no room"


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line magic has no shell that would say so."""
    monkeypatch.setenv("HOME", str(tmp_path))
    save_page({"points": []}, "~/times.html")
    done = save_focus(Recorded(), Path("~/bills.csv"))  # type: ignore[arg-type]
    assert done["file"] == str(tmp_path / "bills.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bills.csv", "times.html"]
