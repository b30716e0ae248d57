"""gather: the run, its frames and its bill become evidence; fed at once or frame by frame it is the same."""

from __future__ import annotations

import numpy as np
from timeline_builders import Frames, Journal, at

from jupyter_aicci.model.run import Run
from jupyter_aicci.pricing.meter import meter
from jupyter_aicci.timeline.evidence import Steps
from jupyter_aicci.timeline.gather import Gathered, gather


def a_story() -> tuple[Run, Frames]:
    run = Journal(ranks_per_node=2, micro_per_h=7_200_000).placed(1.0).runs(2.0).run()
    frames = Frames().phase(2.0, "compute", 0).phase(2.0, "compute", 1)
    for step in range(1, 6):
        frames.steps(2.0 + step, "compute comm eval", (1, step, 0.5, 0.25, 0.25), rank=0)
        frames.steps(2.0 + step, "compute comm data_wait", (1, step, 0.25, 0.5, 0.25), rank=1)
        frames.sample(2.5 + step, 1.5, 2e8)
    frames.add(8.0, "note", topic="loader", text="", data={"workers": 2})
    frames.add(9.0, "hang", source="agent", groups=[], suspects=[1])
    return run, frames


def test_evidence_has_the_steps_the_series_the_bill_and_what_was_noted() -> None:
    """Everything a rule looks at, in chart seconds and whole nanoseconds."""
    run, frames = a_story()
    evidence = gather(run, frames, meter(run, at(10.0)).entries, now_ns=at(10.0), facts={"cpus": 16})
    steps = evidence.steps
    assert evidence.now_s == 10.0
    assert (steps.step[:2].tolist(), steps.rank[:2].tolist()) == ([1, 1], [0, 1])
    assert (steps.from_s[0], steps.to_s[0]) == (2.0, 3.0)
    assert (steps.comm_ns[:2].tolist(), steps.straggler_ns[:2].tolist()) == ([250_000_000] * 2, [0, 250_000_000])
    assert steps.other_ns[0] == 250_000_000
    assert evidence.owners["rss"] == ("rank-0", "rank-1")
    assert evidence.series("rss", "rank-1")[1].tolist() == [1e8] * 5
    assert sum(evidence.phase_ns[0].values()) == 9_000_000_000
    assert evidence.rate_micro_per_h == 3_600_000
    assert evidence.wasted_micro(1_000_000_000) == 1000
    assert (evidence.notes[0]["topic"], evidence.notes[0]["t_s"]) == ("loader", 8.0)
    assert (evidence.hangs[0]["suspects"], evidence.hangs[0]["t_s"]) == ([1], 9.0)
    assert evidence.facts == {"cpus": 16, "nvlink": False, "rdma_nics": 0}


def test_the_parts_of_every_record_sum_to_its_time() -> None:
    """The contract of `Steps`."""
    run, frames = a_story()
    steps = gather(run, frames, (), now_ns=at(10.0)).steps
    parts = [getattr(steps, name) for name in Steps.__slots__ if name.endswith("_ns")]
    assert np.allclose(sum(parts) / 1e9, steps.to_s - steps.from_s)


def test_evidence_that_is_asked_for_in_between_does_not_change_what_comes_after() -> None:
    """The service keeps one and asks it every few seconds."""
    run, frames = a_story()
    kept = Gathered(run.submitted_ns)
    for frame in frames:
        kept.take(frame)
        kept.evidence(run, meter(run, frame.time_ns).entries, now_ns=frame.time_ns)
    entries = meter(run, at(10.0)).entries
    ours, fresh = kept.evidence(run, entries, now_ns=at(10.0)), gather(run, frames, entries, now_ns=at(10.0))
    assert ours.phase_ns == fresh.phase_ns
    assert all(np.array_equal(getattr(ours.steps, name), getattr(fresh.steps, name)) for name in Steps.__slots__)


def test_a_run_of_which_nothing_is_known_has_empty_evidence() -> None:
    """Rules must be able to look at a run that waits."""
    run = Journal().run()
    evidence = gather(run, (), (), now_ns=at(3.0))
    assert (len(evidence.steps.rank), evidence.owners, evidence.phase_ns) == (0, {}, {})
