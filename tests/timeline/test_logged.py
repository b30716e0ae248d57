"""logged: where rank 0's values went, by name, in bounded memory."""

from __future__ import annotations

from timeline_builders import Frames, at

from jupyter_aicci.timeline.gather import Gathered
from jupyter_aicci.timeline.logged import MOST_NAMES, Latest, Logged


def told(frames: Frames) -> Latest:
    gathered = Gathered(at(0))
    for frame in frames:
        gathered.take(frame)
    return gathered.logged


def test_the_first_and_the_latest_value_of_rank_0_are_known() -> None:
    """With the moment at which it became that one; other ranks and what is no number count nothing."""
    frames = (
        Frames().log(1.0, 0, 1, epoch=1.0).log(2.0, 0, 2, epoch=2.0).log(3.0, 0, 3, epoch=2.0).log(4.0, 1, 3, epoch=9.0)
    )
    assert told(frames).by_name == {"epoch": Logged(value=2.0, first=1.0, first_ns=at(1), changed_ns=at(2))}


def test_a_name_for_each_step_fills_no_memory() -> None:
    """The first thousand are kept; what a bill counts by is, too, however late it comes."""
    frames = Frames()
    for step in range(2 * MOST_NAMES):
        frames.log(step / 100, 0, step, **{f"step {step}": 1.0})
    frames.log(100.0, 0, 0, epoch=3.0)
    names = told(frames).by_name
    assert len(names) == MOST_NAMES + 1
    assert "epoch" in names
