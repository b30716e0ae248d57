"""Data, slow ranks, communication: a run in which each rule must speak, and one just beside it in which it must not."""

from __future__ import annotations

import pytest
from findings_builders import MICRO_PER_H, Story, a_story
from findings_cases import gpus, loader, silent, the


def test_waiting_for_data_is_said_with_when_and_how_much() -> None:
    """F01: 43 % of each step from 100 to 300; the money is the time waited."""
    story = a_story()
    story.wait_s[100:300] = 0.15
    found = the(story, "F01")
    assert found.value == pytest.approx(0.15 / 0.365, abs=0.03)
    assert found.severity == "high"
    assert found.confidence == 0.9
    assert found.ranks == ()
    ends = story.ends_s
    assert ends[100] - 10 <= found.from_s <= ends[100] + 10
    assert ends[299] - 12 <= found.to_s <= ends[299] + 12
    assert found.wasted_ns == pytest.approx(200 * 4 * 0.15e9, rel=0.05)
    assert found.wasted_micro == pytest.approx(found.wasted_ns * MICRO_PER_H / 3.6e12, abs=1)
    assert "of each step waited for data" in found.text


def test_a_little_waiting_for_data_is_nothing() -> None:
    """F01: 13 % is below 15 %."""
    story = a_story(noise=0.02)
    story.wait_s[:] = 0.032
    silent(story)


def test_the_first_batch_of_an_epoch_is_no_finding() -> None:
    """F01: one wait of two seconds in 40 steps is the workers' start; it is left out."""
    story = a_story(noise=0.02)
    story.wait_s[::40] = 2.0
    silent(story)


def test_one_rank_that_waits_for_data_is_named() -> None:
    """F01: a rank of eight is 4 % of all time, and 40 % of its own."""
    story = a_story(ranks=8)
    story.wait_s[:, 3] = 0.15
    found = the(story, "F01")
    assert found.ranks == (3,)
    assert "of rank 3" in found.text


def test_a_loader_that_computes_is_told_how_many_workers() -> None:
    """F02: two busy workers, a wait as long as the rest of the step: four are needed."""
    story = a_story(cpus=64)
    story.wait_s[:] = 0.2
    loader(story, 2, 0.97)
    found = the(story, "F02")
    assert found.fix == "Try num_workers=4."
    assert "2 loader workers" in found.text
    assert story.ids() == ["F02"], "it replaces F01"


def test_workers_that_do_not_get_a_cpu_are_short_of_it() -> None:
    """F02: 0.6 core each under a pressure of 80 %; more workers are not advised. At 20 % it stays F01."""
    story = a_story(cpus=64)
    story.wait_s[:] = 0.2
    loader(story, 2, 0.4)
    story.measure("psi_cpu", "node-0", 0.8e6)
    assert the(story, "F02").fix.startswith("All CPUs are busy")
    story.measure("psi_cpu", "node-0", 0.2e6)
    the(story, "F01")


def test_a_loader_that_does_not_compute_is_not_told_to_have_more_workers() -> None:
    """F02's near miss: workers at half a core are not short of CPU; it stays F01."""
    story = a_story(cpus=64)
    story.wait_s[:] = 0.2
    loader(story, 2, 0.6)
    assert the(story, "F01").fix == "Try num_workers=4."


def test_workers_never_outnumber_the_cpus() -> None:
    """F02: two CPUs a rank, both in use: more workers do not help."""
    story = a_story(cpus=8)
    story.wait_s[:] = 0.2
    loader(story, 2, 0.97)
    assert the(story, "F02").fix == (
        "All 2 CPUs of a rank load data: prepare it ahead of time, or take a shape with more CPUs."
    )


@pytest.mark.parametrize("how", ["pressure", "blocked"])
def test_slow_storage_is_seen_by_pressure_or_by_blocked_processes(how: str) -> None:
    """F03: io pressure of 40 %, or a process in state D in most samples, while workers do not compute."""
    story = a_story()
    story.wait_s[:] = 0.2
    loader(story, 4, 0.05)
    if how == "pressure":
        story.measure("psi_io", "node-0", 0.4e6)
    for rank in range(story.ranks if how == "blocked" else 0):
        story.measure("blocked", f"rank-{rank}", 1.0)
    assert the(story, "F03").severity == "high"
    assert story.ids() == ["F03"]


def test_busy_workers_are_not_waiting_for_storage() -> None:
    """F03's near miss: pressure of another program while workers compute."""
    story = a_story()
    story.wait_s[:] = 0.2
    loader(story, 4, 0.95)
    story.measure("psi_io", "node-0", 0.4e6)
    the(story, "F02")


def test_what_other_programs_wait_for_is_not_this_runs_storage() -> None:
    """F03's near miss: the machine's pressure while the run's own processes were hardly ever seen waiting for it."""
    story = a_story()
    story.wait_s[:] = 0.2
    loader(story, 4, 0.05)
    story.measure("psi_io", "node-0", 0.4e6)
    for rank in range(story.ranks):
        story.measure("blocked", f"rank-{rank}", 0.0)
        story.measure("blocked", f"rank-{rank}", 1.0, from_s=50.0, to_s=52.0)
    the(story, "F01")


# --------------------------------------------------------------------------------------------------- straggler


def test_a_slow_rank_is_named_with_what_it_costs_the_others() -> None:
    """F04: rank 5 of 8 at 1.7 times."""
    story = a_story(ranks=8)
    story.own_s[150:, 5] *= 1.7
    found = the(story, "F04")
    assert found.ranks == (5,)
    assert found.value == pytest.approx(1.7, abs=0.06)
    assert abs(found.from_s - story.ends_s[150]) < 12
    assert found.text.startswith("Rank 5 is 1.7× slower")
    assert found.ongoing
    waited = (story.own_s.max(axis=1, keepdims=True) - story.own_s)[150:]
    assert found.wasted_ns == pytest.approx(waited.sum() * 1e9, rel=0.1)


def test_a_rank_eight_percent_slower_is_nothing() -> None:
    """F04's near miss."""
    story = a_story(ranks=8, noise=0.02)
    story.own_s[:, 5] *= 1.08
    silent(story)


def test_of_two_ranks_the_slower_is_found() -> None:
    """F04: there is no middle of two; 1.3 times the other's is enough, 1.15 is not."""
    story = a_story(ranks=2)
    story.own_s[:, 1] *= 1.3
    assert the(story, "F04").ranks == (1,)
    near = a_story(ranks=2)
    near.own_s[:, 1] *= 1.15
    silent(near)


def test_a_slow_rank_with_capped_clocks_says_so_and_is_one_finding() -> None:
    """F04 names the device and the reason; F08 of the same device is not said again."""
    story = gpus()
    story.own_s[:, 2] *= 1.7
    story.measure("throttle_power", "node-0/gpu-2", 0.6e9)
    story.measure("clock", "node-0/gpu-2", 1200.0)
    found = the(story, "F04")
    assert "GPU 2" in found.text
    assert "clocks capped by power" in found.text
    assert story.ids() == ["F04"]


def test_a_slow_rank_is_suspected_after_twenty_steps() -> None:
    """F04: 20 warm steps at 1.7 times are a suspicion, 15 are nothing."""
    story = a_story(ranks=4, steps=32, step_s=2.0)
    story.own_s[:, 1] *= 1.7
    assert the(story, "F04").confidence == 0.6
    short = a_story(ranks=4, steps=22, step_s=2.0)
    short.own_s[:, 1] *= 1.7
    silent(short)


def test_a_slow_node_is_one_finding_and_not_one_of_each_rank() -> None:
    """F05: 4 of 4 ranks of one node of four."""
    story = a_story(ranks=16, nodes=4)
    story.own_s[:, 4:8] *= 1.5
    found = the(story, "F05")
    assert found.nodes == (1,)
    assert found.ranks == (4, 5, 6, 7)
    assert story.ids() == ["F05"]


def test_two_slow_ranks_are_not_a_slow_node() -> None:
    """F05's near miss: half of a node's ranks."""
    story = a_story(ranks=16, nodes=4)
    story.own_s[:, 4:6] *= 1.5
    assert the(story, "F04").ranks == (4, 5)


# ----------------------------------------------------------------------------------------------- communication


def test_steps_that_are_mostly_collectives_are_bound_by_communication() -> None:
    """F06: 44 % of short steps; larger batches help."""
    story = a_story(step_s=0.02, steps=3000)
    story.comm_s[:] = 0.016
    found = the(story, "F06")
    assert found.severity == "high"
    assert found.fix.startswith("Try larger batches")


def test_a_fifth_of_a_step_for_collectives_is_usual() -> None:
    """F06's near miss: 22 %."""
    story = a_story()
    story.comm_s[:] = 0.06
    silent(story)


def transport(story: Story, kind: str) -> None:
    story.notes.append({"topic": "transport", "t_s": 8.0, "node": 0, "data": {"kind": kind}})


def test_sockets_where_there_is_rdma_are_the_wrong_way() -> None:
    """F07: and it explains that the steps are bound by communication."""
    story = a_story(ranks=8, nodes=2, rdma_nics=8)
    story.comm_s[:] = 0.2
    transport(story, "NET/Socket")
    assert "TCP sockets although the shape has RDMA" in the(story, "F07").text
    assert story.ids() == ["F07"]


@pytest.mark.parametrize(("kind", "hardware"), [("NET/IB", {"rdma_nics": 8}), ("NET/Socket", {}), ("SHM", {})])
def test_the_best_way_that_there_is_is_no_finding(kind: str, hardware: dict[str, int]) -> None:
    """F07's near misses: RDMA in use, and hosts without."""
    story = a_story(ranks=8, nodes=2, **hardware)
    transport(story, kind)
    silent(story)
