"""A run over time, and all rules together: each rule must speak in one run, and must not in the one just beside it."""

from __future__ import annotations

import numpy as np
import pytest
from findings_builders import a_story
from findings_cases import silent, the

from jupyter_aicci.timeline.findings import findings
from jupyter_aicci.timeline.findings.table import RULES
from jupyter_aicci.timeline.findings.words import line

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
    groups[1]["stack"] = "RuntimeError: it hangs."
    assert "it hangs. Look at the line" in line(the(story, "F17").to_json(), "USD")


# -------------------------------------------------------------------------------------- checkpoint, lost work


def test_checkpoints_every_few_steps_are_too_many() -> None:
    """F18: a second in every ten steps; the best interval is named, and the others' wait is part of the cost."""
    story = a_story()
    story.saved_s[::10, 0] = 1.0
    found = the(story, "F18")
    assert (found.severity, found.at_risk) == ("high", False)
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
    found = the(story, "F18")
    assert "no checkpoint for" in found.text
    assert found.at_risk
    assert line(found.to_json(), "USD").endswith(" at risk)"), "no fault has come: nothing was lost"
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
