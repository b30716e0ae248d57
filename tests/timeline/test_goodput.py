"""goodput: what a bill was spent on, the sentence about it, and the wasted stretches of time."""

from __future__ import annotations

from timeline_builders import Frames, Journal, at

from jupyter_aicci.model.run import Run
from jupyter_aicci.pricing.meter import meter
from jupyter_aicci.timeline.gather import Gathered
from jupyter_aicci.timeline.goodput import Goodput, goodput, headline, shade
from jupyter_aicci.timeline.lanes import PhaseLane, Span


def spent(run: Run, frames: Frames, now_s: float) -> Goodput:
    gathered = Gathered(run.submitted_ns)
    for frame in frames:
        gathered.take(frame)
    return goodput(gathered.parts(run, meter(run, at(now_s)).entries))


def an_hour(micro_per_h: int) -> tuple[Run, Frames]:
    """Ten minutes of start, 1,500 s of work and 1,500 s of waiting for data."""
    run = Journal(ranks_per_node=2, micro_per_h=micro_per_h).placed(0.0).runs(600.0).run()
    frames = Frames()
    for rank in (0, 1):
        frames.phase(600.0, "compute", rank)
        frames.steps(3600.0, "compute data_wait", (1000, 1000, 1500.0, 1500.0), rank=rank)
    return run, frames


def test_the_headline_says_what_of_the_money_was_useful_and_names_the_biggest_leak() -> None:
    """As on the card."""
    run, frames = an_hour(12_000_000)
    assert headline(run, spent(run, frames, 3600.0)) == (
        "41 % of $12.00 was useful; the biggest leak, $5.00, is waiting for data"
    )


def test_a_run_without_a_price_is_told_in_rank_time() -> None:
    """Free is not a bill of nothing."""
    run, frames = an_hour(0)
    assert headline(run, spent(run, frames, 3600.0)) == (
        "41 % of 2 h 0 min of rank time was useful; the biggest leak, 50 min, is waiting for data"
    )


def test_nothing_is_said_before_anything_useful_was_done() -> None:
    """A start is no leak yet."""
    run = Journal(micro_per_h=10_000_000).placed(0.0).run()
    assert headline(run, spent(run, Frames(), 60.0)) == ""


def test_phases_add_up_to_the_bill() -> None:
    """In time and in money, whatever was useful."""
    run, frames = an_hour(12_345_677)
    told = spent(run, frames, 3600.0)
    assert sum(told.micro.values()) == meter(run, at(3600.0)).total_micro
    assert sum(told.ns.values()) == 2 * 3600 * 10**9
    assert list(told.ns) == list(told.micro) == ["starting", "compute", "data_wait"]


def bar(node: int, *spans: tuple[float, float, str]) -> PhaseLane:
    told = tuple(Span(t0_s=t0, t1_s=t1, phase=phase) for t0, t1, phase in spans)
    return PhaseLane(id=f"node-{node}", name="", note="", spans=told)


def test_time_is_shaded_while_half_of_the_nodes_waste_it() -> None:
    """One of three that waits is not; what touches is one stretch; queued time costs nothing."""
    bars = (
        bar(0, (0, 5, "queued"), (5, 20, "data_wait"), (20, 30, "redone"), (30, 100, "compute")),
        bar(1, (0, 10, "compute"), (10, 20, "data_wait"), (20, 30, "compute"), (30, 100, "compute")),
        bar(2, (0, 15, "compute"), (15, 20, "compute"), (20, 30, "data_wait"), (30, 40, "idle"), (40, 100, "compute")),
    )
    assert shade(bars, 100.0) == ((10, 30),)
