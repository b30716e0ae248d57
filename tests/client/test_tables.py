"""A run's tables: the columns that are promised, of the types that are promised, and numbers that agree with the bill."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from folder_builders import a_folder
from run_builders import RUN_ID, T0, S, a_life, flat

from jupyter_aicci.client import CopiedRun
from jupyter_aicci.client.source import Source, of_copy
from jupyter_aicci.client.tables import TABLES, empty, together
from jupyter_aicci.model.events import Corrected, Event
from jupyter_aicci.store.events_file import write_events
from jupyter_aicci.store.folder import RunFolder


@pytest.fixture(params=[0, 5, 15], ids=["fresh", "half sealed", "sealed"])
def run(tmp_path: Path, request: pytest.FixtureRequest) -> CopiedRun:
    return CopiedRun(a_folder(tmp_path / "run", flat(a_life(RUN_ID)), sealed_s=request.param))


@pytest.mark.parametrize("table", TABLES)
def test_columns_have_the_types_that_the_reference_names(run: CopiedRun, table: str) -> None:
    """Of a full table and of an empty one."""
    promised = {column.name: column.dtype for column in TABLES[table]}
    full = getattr(run, table)()
    assert len(full)
    assert {name: str(dtype) for name, dtype in full.dtypes.items()} == promised
    assert {name: str(dtype) for name, dtype in empty(table).dtypes.items()} == promised


def test_metrics_are_what_was_read_and_a_counters_growth(run: CopiedRun) -> None:
    """In the order of time; a counter that begins anew has no growth; a logged value has its step."""
    found = run.metrics()
    assert found["time"].is_monotonic_increasing
    cpu, written = (found[found["metric"] == name].reset_index(drop=True) for name in ("cpu", "written"))
    assert cpu["time"][0] == pd.Timestamp(T0 + 3 * S, unit="ns", tz="UTC")
    assert (cpu["owner"][0], cpu["scope"][0], cpu["unit"][0], cpu["value"].tolist()) == (
        "node-0",
        "node",
        "cores",
        [1.5] * 5,
    )
    assert written["value"].tolist() == [100.0, 300.0, 50.0, 60.0, 60.0]
    np.testing.assert_equal(written["per_s"].to_numpy(), [np.nan, 200.0, np.nan, 10.0, 0.0])
    (loss,) = found[found["metric"] == "loss"].itertuples()
    assert (loss.scope, loss.owner, loss.value, loss.step) == ("value", "rank-0", 0.25, 2)
    assert found["step"].notna().sum() == 1


def test_phases_of_a_rank_sum_to_the_time_that_its_node_was_held(run: CopiedRun) -> None:
    """And a step's phases say how long they took within it."""
    found = run.phases()
    held = found.groupby(["attempt", "rank"], observed=True)["duration_ns"].sum()
    assert held.to_dict() == {(1, 0): 9 * S, (1, 1): 9 * S, (2, 0): 29 * S, (2, 1): 29 * S}
    steps = found[found["steps"] > 0]
    told = list(zip(steps["step"], steps["phase"], steps["duration_ns"], strict=True))
    assert told == [(1, "compute", S // 2), (1, "data_wait", S // 4), (2, "compute", S // 2), (2, "data_wait", S // 4)]


def test_costs_sum_to_the_bill_corrections_included(tmp_path: Path) -> None:
    """To the millionth."""
    correction = Corrected(run_id=RUN_ID, time_ns=T0 + 50 * S, amount_micro=-7, reason="invoice", by="ann")
    run = CopiedRun(a_folder(tmp_path / "run", [*flat(a_life(RUN_ID)), correction]))
    found = run.costs()
    with RunFolder(run.path) as folder:
        ledger = of_copy(folder).ledger
    assert int(found["amount_micro"].sum()) == ledger.total_micro
    (row,) = found[found["kind"] == "correction"].itertuples()
    assert (row.amount_micro, row.duration_ns, row.rank is pd.NA) == (-7, 0, True)
    by_phase = run.phases().groupby(["attempt", "rank", "phase"], observed=True)["duration_ns"].sum()
    paid = found[found["kind"] != "correction"].set_index(["attempt", "rank", "phase"])["duration_ns"]
    assert paid.to_dict() == by_phase.to_dict()


def test_a_price_that_nobody_set_is_missing_and_not_nothing(tmp_path: Path) -> None:
    """As everywhere."""
    submitted, *rest = flat(a_life(RUN_ID))
    unpriced = {name: price | {"micro_per_h": None} for name, price in submitted.prices.items()}  # type: ignore[attr-defined]
    events = [type(submitted)(**{**vars_of(submitted), "prices": unpriced}), *rest]
    assert CopiedRun(a_folder(tmp_path / "run", events)).costs()["amount_micro"].isna().all()


def vars_of(event: Event) -> dict[str, object]:
    return {"run_id": event.run_id, "time_ns": event.time_ns, **event.body()}


def test_a_run_that_waits_has_empty_tables(tmp_path: Path) -> None:
    """With their columns."""
    run = tmp_path / "run"
    run.mkdir()
    write_events(run, list(enumerate(flat(a_life(RUN_ID))[:2], 1)))
    copied = CopiedRun(run)
    assert (len(copied.metrics()), len(copied.phases()), len(copied.costs()), copied.notes) == (0, 0, 0, ())


def test_pieces_put_together_are_one_table(run: CopiedRun) -> None:
    """Whatever names each piece has."""
    with run.source() as source:
        pieces = list(Source.pieces(source, "metrics"))
    assert len(pieces) > 1
    assert len(together("metrics", pieces)) == sum(map(len, pieces))
