"""Every rule of F01 to F30: a run in which it must speak, and one just beside it in which it must not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from findings_builders import MICRO_PER_H, Story, a_story

from jupyter_aicci.model.finding import Finding
from jupyter_aicci.timeline.findings import findings
from jupyter_aicci.timeline.findings.table import RULES
from jupyter_aicci.timeline.gauges import GAUGES

GIB = float(1 << 30)
Change = Callable[[Story], None]


def gpus(**more: int) -> Story:
    """Four ranks with an accelerator each, busy and cool."""
    story = a_story(accelerators=4, **more)  # type: ignore[arg-type]
    for index in range(4):
        device = f"node-0/gpu-{index}"
        for metric, value in (
            ("util", 97.0), ("sm_util", 80.0), ("tensor", 40.0), ("clock", 1900.0), ("clock_max", 1980.0),
            ("mem_used", 60 * GIB), ("mem_total", 80 * GIB), ("temp", 60.0), ("throttle_power", 0.0), ("throttle_thermal", 0.0),
            ("throttle_brake", 0.0), ("pcie_gen", 5.0), ("pcie_gen_max", 5.0), ("pcie_width", 16.0), ("pcie_width_max", 16.0),
            ("link_up", 18.0),
        ):  # fmt: skip
            story.measure(metric, device, value)
    return story


def the(story: Story, rule: str) -> Finding:
    """The finding of a rule, which is the first of all."""
    found = story.findings()
    assert [each.id for each in found][:1] == [rule], [(each.id, each.text) for each in found]
    assert all(_is_a_lane(story, lane) for lane in found[0].lanes), f"views have no such lanes: {found[0].lanes}"
    return found[0]


def _is_a_lane(story: Story, lane: str) -> bool:
    """Whether a view can have it: a sampled one, step time, cost, a node's bar."""
    return lane in {
        "step_time",
        "step_heat",
        "cost",
        *(each.id for each in GAUGES),
        *(f"node-{node}" for node in range(story.nodes)),
    }


def silent(story: Story) -> None:
    assert [(each.id, each.text) for each in story.findings()] == []


# ------------------------------------------------------------------------------------------------------- input


def loader(story: Story, workers: float, cpu: float) -> None:
    for rank in range(story.ranks):
        story.measure("workers", f"rank-{rank}", workers)
        story.measure("worker_cpu", f"rank-{rank}", workers * cpu)
        story.measure("cpu", f"rank-{rank}", 1.0)


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


# ------------------------------------------------------------------------------------------------------ device


def everywhere(story: Story, metric: str, value: float) -> None:
    for index in range(4):
        story.measure(metric, f"node-0/gpu-{index}", value)


def capped(story: Story) -> None:
    story.measure("throttle_power", "node-0/gpu-1", 0.5e9)
    story.measure("clock", "node-0/gpu-1", 1500.0)


def nearly_capped(story: Story) -> None:
    story.measure("throttle_power", "node-0/gpu-1", 0.5e9)  # at 96 % of the highest clock


def hot(story: Story) -> None:
    story.measure("throttle_thermal", "node-0/gpu-1", 0.05e9)


def warm(story: Story) -> None:
    story.measure("throttle_thermal", "node-0/gpu-1", 0.005e9)


def braked(story: Story) -> None:
    story.measure("throttle_brake", "node-0/gpu-1", 0.001e9)


def full(story: Story) -> None:
    story.measure("mem_used", "node-0/gpu-1", 78 * GIB)


def nearly_full(story: Story) -> None:
    story.measure("mem_used", "node-0/gpu-1", 73 * GIB)


def fragmented(story: Story) -> None:
    story.measure("gpu_reserved", "rank-1", 75 * GIB)
    story.measure("gpu_allocated", "rank-1", 40 * GIB)


def less_fragmented(story: Story) -> None:
    story.measure("gpu_reserved", "rank-1", 75 * GIB)
    story.measure("gpu_allocated", "rank-1", 62 * GIB)


def empty(story: Story) -> None:
    everywhere(story, "sm_util", 20.0)


def empty_and_idle(story: Story) -> None:
    everywhere(story, "sm_util", 20.0)
    everywhere(story, "util", 80.0)


def narrow(story: Story) -> None:
    story.measure("pcie_width", "node-0/gpu-1", 8.0)


def narrow_and_idle(story: Story) -> None:
    story.measure("pcie_gen", "node-0/gpu-1", 1.0)
    story.measure("util", "node-0/gpu-1", 3.0)


def link_lost(story: Story) -> None:
    story.measure("link_up", "node-0/gpu-1", 17.0, from_s=40.0)


def xid(code: int) -> Change:
    def change(story: Story) -> None:
        story.notes.append({"topic": "xid", "t_s": 30.0, "node": 0, "data": {"device": "1", "code": code}})

    return change


def near_cpus(first: int, last: int) -> Change:
    def change(story: Story) -> None:
        story.pinned = (0, 1, 2, 3)
        data = {"index": 1, "kind": "nvidia", "name": "H100", "uuid": "GPU-1", "cpus": list(range(first, last))}
        story.notes.append({"topic": "device", "t_s": 1.0, "node": 0, "data": data})

    return change


def small_batches(story: Story) -> None:
    everywhere(story, "sm_util", 50.0)
    everywhere(story, "mem_used", 20 * GIB)


def small_but_busy(story: Story) -> None:
    everywhere(story, "mem_used", 20 * GIB)


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("F08", capped), ("F09", hot), ("F10", braked), ("F11", full), ("F11", fragmented), ("F15", empty), ("F21", narrow),
        ("F21", link_lost), ("F22", xid(79)), ("F22", xid(31)), ("F24", near_cpus(32, 64)), ("F30", small_batches),
    ],
)  # fmt: skip
def test_a_device_below_its_best_is_said(rule: str, change: Change) -> None:
    """Recorded-like series of one device, the others healthy."""
    story = gpus()
    change(story)
    found = the(story, rule)
    assert found.text
    assert found.fix
    if rule in ("F08", "F09", "F10", "F11", "F21", "F22", "F24"):
        assert found.ranks == (1,)
        assert story.ids() == [rule]


@pytest.mark.parametrize(
    "change",
    [nearly_capped, warm, nearly_full, less_fragmented, empty_and_idle, narrow_and_idle, xid(7), near_cpus(0, 8), small_but_busy],
)  # fmt: skip
def test_a_device_that_is_nearly_as_it_should_be_is_not(change: Change) -> None:
    """The near misses of F08 to F11, F15, F21, F22, F24, F30."""
    story = gpus()
    change(story)
    silent(story)


def test_what_clocks_cost_is_the_share_that_is_missing() -> None:
    """F08: a quarter of the compute of that rank."""
    story = gpus()
    capped(story)
    assert the(story, "F08").wasted_ns == pytest.approx(story.own_s[10:, 1].sum() * 1e9 * (1 - 1500 / 1980), rel=0.1)


# ------------------------------------------------------------------------------------------------------ memory


def test_memory_near_the_groups_limit_is_said_without_the_cache() -> None:
    """F12: 95 % of the limit; page cache that can be given back is no danger."""
    story = a_story()
    story.measure("group_memory_max", "node-0", 10 * GIB)
    story.measure("group_memory", "node-0", 9.5 * GIB)
    story.measure("group_cache", "node-0", 0.1 * GIB)
    assert the(story, "F12").severity == "high"
    story.measure("group_cache", "node-0", 3 * GIB)
    silent(story)


def test_a_host_whose_memory_is_nearly_gone_is_said_where_there_is_no_limit() -> None:
    """F12: from 95 % of the host's memory on."""
    story = a_story()
    story.measure("memory_total", "node-0", 100 * GIB)
    story.measure("memory", "node-0", 97 * GIB)
    the(story, "F12")
    story.measure("memory", "node-0", 93 * GIB)
    silent(story)


def test_everything_waiting_for_memory_is_said() -> None:
    """F12: full pressure of 8 %; 3 % is nothing."""
    story = a_story()
    story.measure("psi_memory_full", "node-0", 0.08e6)
    the(story, "F12")
    story.measure("psi_memory_full", "node-0", 0.03e6)
    silent(story)


def test_a_process_killed_for_want_of_memory_is_a_fact() -> None:
    """F12: by the counter, or by the exit."""
    story = a_story()
    story.measure("group_oom_kills", "node-0", 1.0, from_s=40.0, to_s=41.0)
    assert the(story, "F12").confidence == 1.0
    assert the(a_story(oom_s=60.0), "F12").confidence == 1.0


def test_shared_memory_that_is_nearly_full_is_said() -> None:
    """F13: 94 % of 64 MB; 80 % is nothing."""
    story = a_story()
    story.measure("shm_total", "node-0", 64e6)
    story.measure("shm_used", "node-0", 60e6)
    assert "/dev/shm" in the(story, "F13").text
    story.measure("shm_used", "node-0", 52e6)
    silent(story)


def with_limit(story: Story, per_s: float, until_s: float = 1e9) -> Story:
    story.grow("rss", "rank-0", 2 * GIB, per_s, until_s=until_s)
    story.grow("group_memory", "node-0", 2 * GIB, per_s, until_s=until_s)
    story.measure("group_memory_max", "node-0", 16 * GIB)
    return story


def test_memory_that_grows_to_its_limit_is_a_leak() -> None:
    """F14: 20 MB a second to 16 GiB, found long before; the attempt is at stake."""
    found = the(with_limit(a_story(), 20e6), "F14")
    assert found.ranks == (0,)
    assert found.inputs["bytes_per_s"] == pytest.approx(20e6, rel=0.01)
    assert found.wasted_ns > 0


def test_memory_that_grows_and_stops_is_no_leak() -> None:
    """F14's near misses: a cache that fills up, a growth below 1 GiB, an end that comes before the limit."""
    silent(with_limit(a_story(), 100e6, until_s=30.0))
    silent(with_limit(a_story(), 5e6))
    ending = with_limit(a_story(), 20e6)
    ending.notes.append({"topic": "plan", "t_s": 2.0, "node": 0, "data": {"steps": 420}})
    silent(ending)


def test_a_leak_explains_that_memory_is_nearly_full() -> None:
    """F14 over F12."""
    story = with_limit(a_story(steps=600), 100e6)
    assert story.ids() == ["F14"]


# -------------------------------------------------------------------------------------------------- idle, hang


def test_an_allocation_that_nobody_uses_is_said_after_ten_minutes() -> None:
    """F16: no step, no CPU; nine minutes are nothing, and neither is a program without steps that computes."""
    story = a_story(steps=0, after_s=700.0, begin_s=1.0, framework="plain")
    for rank in range(4):
        story.measure("cpu", f"rank-{rank}", 0.01)
    assert the(story, "F16").wasted_ns == pytest.approx(4 * 690e9, rel=0.05)
    short = a_story(steps=0, after_s=560.0, begin_s=1.0, framework="plain")
    busy = a_story(steps=0, after_s=700.0, begin_s=1.0, framework="plain")
    for rank in range(4):
        short.measure("cpu", f"rank-{rank}", 0.01)
        busy.measure("cpu", f"rank-{rank}", 0.9)
    silent(short)
    silent(busy)


def test_steps_that_stop_coming_are_a_hang() -> None:
    """F17: all ranks wait for three minutes."""
    story = a_story(after_s=180.0)
    for rank in range(4):
        story.measure("cpu", f"rank-{rank}", 0.01, from_s=story.ends_s[-1])
    found = the(story, "F17")
    assert found.value == pytest.approx(180.0, abs=1.0)
    assert found.wasted_ns == pytest.approx(4 * 180e9, rel=0.01)


def test_ranks_that_work_without_steps_do_not_hang() -> None:
    """F17's near misses: an evaluation keeps the CPU busy; a pause of 100 seconds."""
    story = a_story(after_s=180.0)
    short = a_story(after_s=100.0)
    for rank in range(4):
        story.measure("cpu", f"rank-{rank}", 0.9)
        short.measure("cpu", f"rank-{rank}", 0.01)
    silent(story)
    silent(short)


def test_what_the_agent_found_is_told_with_the_line_where_it_stands() -> None:
    """F17: the hang frame's suspects and stack."""
    story = a_story(after_s=70.0)
    groups = [
        {"ranks": [0, 1, 3], "stack": "File distributed.py, line 9 in all_reduce"},
        {"ranks": [2], "stack": "File cell.py, line 17 in f"},
    ]
    story.hangs.append({"t_s": story.now_s - 5.0, "groups": groups, "suspects": [2]})
    found = the(story, "F17")
    assert found.ranks == (2,)
    assert "File cell.py, line 17 in f" in found.text
    assert found.confidence == 1.0


# -------------------------------------------------------------------------------------- checkpoint, lost work


def test_checkpoints_every_few_steps_are_too_many() -> None:
    """F18: a second in every ten steps; the best interval is named, and the others' wait is part of the cost."""
    story = a_story()
    story.saved_s[::10, 0] = 1.0
    found = the(story, "F18")
    assert found.severity == "high"
    assert found.fix.startswith("Make one every")
    assert found.wasted_ns == pytest.approx(40 * 4 * 1e9, rel=0.15)


def test_a_checkpoint_now_and_then_is_right() -> None:
    """F18's near miss: one second in thirty."""
    story = a_story(steps=600)
    story.saved_s[::150, 0] = 1.0
    silent(story)


def test_a_long_run_without_checkpoints_is_too_few() -> None:
    """F18: 30 hours; 3 hours are nothing."""
    story = a_story(steps=1080, step_s=100.0, noise=0.02)
    assert "no checkpoint for" in the(story, "F18").text
    silent(a_story(steps=108, step_s=100.0, noise=0.02))


def test_steps_that_were_done_before_are_lost_work() -> None:
    """F29: 50 of them; none is nothing (every other test)."""
    story = a_story()
    story.redone[200:250] = True
    found = the(story, "F29")
    assert found.value == 50
    assert found.confidence == 1.0
    lost = np.diff(np.r_[story.begin_s, story.ends_s])[200:250].sum()
    assert found.wasted_ns == pytest.approx(4 * lost * 1e9, rel=1e-6)


# ----------------------------------------------------------------------------------------------- network, quota


def test_tcp_that_sends_again_is_a_note() -> None:
    """F19: 0.5 % of 1,000 segments a second; 0.05 % is nothing, and so are 5 of 20, and what one host alone does."""
    alone = a_story()
    alone.measure("tcp_out", "node-0", 1000.0)
    alone.measure("tcp_retrans", "node-0", 5.0)
    silent(alone)
    story = a_story(nodes=2)
    story.measure("tcp_out", "node-0", 1000.0)
    story.measure("tcp_retrans", "node-0", 5.0)
    assert the(story, "F19").severity == "note"
    story.measure("tcp_retrans", "node-0", 0.5)
    silent(story)
    story.measure("tcp_out", "node-0", 20.0)
    silent(story)


def test_rdma_out_of_order_is_said() -> None:
    """F20: 40 packets a second; 4 are nothing; marks on 2 % of the packets are said."""
    story = a_story()
    story.measure("rdma_out_of_sequence", "node-0/mlx5_0", 40.0)
    assert "mlx5_0" in the(story, "F20").text
    story.measure("rdma_out_of_sequence", "node-0/mlx5_0", 4.0)
    silent(story)
    story.measure("rdma_packets", "node-0/mlx5_0", 1e6)
    story.measure("rdma_congestion", "node-0/mlx5_0", 2e4)
    the(story, "F20")


def test_a_quota_that_is_used_up_explains_the_wait_for_data() -> None:
    """F23: 60 % of the periods; it stands for F01, too. 5 % is nothing."""
    story = a_story()
    story.wait_s[:] = 0.2
    story.measure("group_periods", "node-0", 10.0)
    story.measure("group_throttled", "node-0", 6.0)
    story.measure("group_throttled_us", "node-0", 0.5e6)
    found = the(story, "F23")
    assert story.ids() == ["F23"]
    assert found.wasted_ns == pytest.approx(0.5 * 4 * (found.to_s - found.from_s) * 1e9, rel=1e-3)
    near = a_story()
    near.measure("group_periods", "node-0", 10.0)
    near.measure("group_throttled", "node-0", 0.5)
    silent(near)


# ------------------------------------------------------------------------------------------------------- steps


def test_steps_with_long_ones_among_them_are_unstable() -> None:
    """F25: every twentieth step takes four times as long on all ranks; 15 % of the time. Every hundredth is nothing."""
    story = a_story()
    story.own_s[::20] *= 4
    the(story, "F25")
    near = a_story()
    near.own_s[::100] *= 2
    silent(near)


def test_a_run_that_gets_slower_is_said() -> None:
    """F26: by 40 % since step 250; 10 % is nothing."""
    story = a_story(steps=500)
    story.own_s[250:] *= 1.4
    found = the(story, "F26")
    assert found.value == pytest.approx(1.4, abs=0.06)
    assert abs(found.from_s - story.ends_s[250]) < 12
    near = a_story(steps=500)
    near.own_s[250:] *= 1.10
    silent(near)


# ------------------------------------------------------------------------------------------------ start, scale


def test_a_start_that_takes_minutes_is_said() -> None:
    """F27: 320 seconds while it lives; at the end, 30 seconds of 120."""
    assert the(a_story(begin_s=320.0), "F27").value == pytest.approx(319.5)
    assert the(a_story(begin_s=30.0, live=False), "F27").confidence == 1.0


@pytest.mark.parametrize(("begin_s", "live"), [(30.0, True), (10.0, False), (15.0, False)])
def test_a_usual_start_is_nothing(begin_s: float, live: bool) -> None:
    """F27's near misses: a live run may still become long; 15 seconds are too little to look at."""
    silent(a_story(begin_s=begin_s, live=live))


def test_ranks_that_do_not_pay_are_said_where_the_speed_up_was_measured() -> None:
    """F28: 0.7 on 8 ranks; 0.83 is nothing, and an estimate is not said."""
    story = a_story(ranks=8)
    story.facts["speedup"] = {"efficiency": 0.7, "measured": True, "cheapest": 4}
    found = the(story, "F28")
    assert "8 ranks do the work of 5.6" in found.text
    assert "Try 4 ranks" in found.fix
    story.facts["speedup"] = {"efficiency": 0.83, "measured": True, "cheapest": 4}
    silent(story)
    story.facts["speedup"] = {"efficiency": 0.7, "measured": False}
    silent(story)


# ---------------------------------------------------------------------------------------------------- the whole


def test_every_rule_of_the_table_has_a_number_of_its_own() -> None:
    """F01 to F30, each once, in order."""
    assert [rule.id for rule, _ in RULES] == [f"F{number:02}" for number in (*range(1, 31),)]


def test_the_costliest_finding_comes_first() -> None:
    """Two causes at different times; both are said."""
    story = a_story(steps=900)
    story.wait_s[100:300] = 0.15
    story.own_s[500:900, 2] *= 2.0
    assert story.ids() == ["F04", "F01"]


def test_what_is_so_at_many_places_is_one_line() -> None:
    """Full memory of 8 devices is 8 lines, of 64 it is one, of all of their ranks, with the severity of the worst."""
    few = a_story(ranks=8, accelerators=8)
    many = a_story(ranks=64, nodes=8, accelerators=8)
    for story, nodes in ((few, 1), (many, 8)):
        for node, device in ((node, device) for node in range(nodes) for device in range(8)):
            story.measure("mem_used", f"node-{node}/gpu-{device}", 99.0 if (node, device) == (7, 3) else 94.0)
            story.measure("mem_total", f"node-{node}/gpu-{device}", 100.0)
    assert few.ids() == ["F11"] * 8
    (found,) = findings(many.evidence())
    assert (found.severity, found.nodes, found.ranks) == ("high", (), ())
    assert found.text == "node 7, GPU 3: 99 % of its memory is in use (so at 64 places, here the worst)"


def test_a_run_that_has_just_begun_is_not_judged() -> None:
    """Nothing is said of 15 steps, nor of none at all."""
    story = a_story(steps=15)
    story.wait_s[:] = 1.0
    silent(story)
    silent(a_story(steps=0))
