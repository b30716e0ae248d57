"""Bills in a terminal: one run, all by a key, FOCUS, and price lists; on real runs with a price."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hard_cases import aicci
from live import a_client, ended, submit

from jupyter_aicci.client import Client, Run
from jupyter_aicci.pricing.focus import COLUMNS

STEPS = """
import time
for step in range(30):
    time.sleep(0.01)
    aicci.log(loss=1.0 / (step + 1), epoch=step // 10)
    aicci.step()
"""


@pytest.fixture
def client() -> Iterator[Client]:
    with a_client() as client:
        client.home.root.mkdir(parents=True)
        client.home.config.write_text('[prices]\ncpux1 = "3600"\ncpux2 = "not set"\n')
        yield client


def asked(*words: str) -> Any:
    status, out, err = aicci(*words, "--json")
    assert status == 0, err
    return json.loads(out)


def test_bills_of_real_runs_say_where_the_money_went(client: Client, tmp_path: Path) -> None:
    """Phases sum to the bill, reports to the bills; a correction is beside it; FOCUS has every row; unknown is never 0."""
    run = submit(client, STEPS, shape="cpux1", name="paid", grace=1.0)
    other = submit(client, "print(1)\n", shape="cpux2", name="unknown")
    assert ended(run)["state"] == ended(other)["state"] == "succeeded"
    bill = _sums(run)
    assert bill["steps"] == 30
    assert bill["step_micro"] == round(bill["total_micro"] / 30)
    assert bill["epoch_micro"] > 0
    assert bill["energy_kwh"] is None
    unknown = client.cost(other.id)
    assert (unknown["total_micro"], unknown["useful_micro"], unknown["unpriced"]) == (None, None, True)

    status, out, err = aicci("cost", "paid")
    assert status == 0, err
    assert "was useful" in out
    assert "a step, 30 steps" in out
    status, out, _ = aicci("cost", "unknown")
    assert (status, "price not set" in out, "$0" in out) == (0, True, False)

    for by in ("user", "queue", "shape", "day"):
        report = asked("cost", "--by", by)
        assert sum(line["amount_micro"] for line in report["lines"]) == bill["total_micro"]
        for line in report["lines"]:
            parts = sum(line[f"{kind}_micro"] for kind in ("useful", "overhead", "waste", "unsplit"))
            assert parts == line["amount_micro"]
        assert report["unpriced"]
    text = aicci("cost", "--by", "shape")[1]
    assert "and nodes whose price is not set" in text

    client.correct(run.id, -100_000, "as the invoice has it")
    corrected = client.cost(run.id)
    assert corrected["total_micro"] == bill["total_micro"] - 100_000
    assert corrected["entries"] == bill["entries"]
    file = tmp_path / "focus.csv"
    assert asked("cost", "--focus", str(file))["rows"] == 2
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert tuple(rows[0]) == COLUMNS
    assert [row["ChargeClass"] for row in rows] == ["", "Correction"]
    assert round(sum(float(row["EffectiveCost"]) for row in rows) * 1e6) == corrected["total_micro"]


def _sums(run: Run) -> dict[str, Any]:
    bill = run.cost()
    assert bill["total_micro"] > 0
    assert sum(row["amount_micro"] for row in bill["phases"]) == bill["total_micro"]
    assert sum(bill[f"{kind}_micro"] for kind in ("useful", "overhead", "waste")) == bill["total_micro"]
    (entry,) = bill["entries"]
    assert sum(row["ns"] for row in bill["phases"]) == entry["to_ns"] - entry["from_ns"]
    return bill


def test_a_price_list_is_imported_or_refused_in_a_terminal(client: Client, tmp_path: Path) -> None:
    """What was taken, and with `list` what there is; a bad one is refused with its row and nothing changes."""
    good = "InstanceType,AcceleratorName,AcceleratorCount,Price,SpotPrice,Region\np5.48xlarge,H100,8,55.04,,us-east-9\n"
    file = tmp_path / "aws.csv"
    file.write_text(good)
    assert asked("prices", "import", str(file))["offers"] == 1
    assert [offer["id"] for offer in asked("prices", "list", "us-east-9")] == ["aws/p5.48xlarge/us-east-9"]
    assert "price not set" in aicci("prices", "list", "ascend")[1]
    file.write_text(good.replace("55.04", "700.0"))
    status, _, err = aicci("prices", "import", str(file))
    assert status == 2
    assert "row 2, Price: 700.0" in err
    assert len(asked("prices", "list", "us-east-9")) == 1
    assert aicci("prices", "import")[0] == 2


def test_a_run_ends_when_its_condition_has_been_true_for_long_enough(client: Client) -> None:
    """Class, the words with the numbers, and the checkpoint that it is given the time for."""
    text = "import time\nfor step in range(10**9):\n    time.sleep(0.01)\n    aicci.log(loss=5.0 + step)\n    aicci.step()\n"
    summary = ended(submit(client, text, shape="cpux1", stop_if="loss > 20 and cost > 0.1 for 1s", grace=1.0))
    assert (summary["state"], summary["exit_class"]) == ("stopped", "condition")
    assert "its --stop-if has come true: loss > 20 and cost > 0.1 for 1s (cost " in summary["reason"]
