"""Accelerators and memory: a run in which each rule must speak, and one just beside it in which it must not."""

from __future__ import annotations

import pytest
from findings_builders import Story, a_story
from findings_cases import GIB, Change, gpus, silent, the

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
    assert found.at_risk, "nothing is lost yet"


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
