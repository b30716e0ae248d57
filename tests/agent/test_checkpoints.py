"""Checkpoints on disk: which step all ranks can go on from, whatever died when."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_aicci.agent import checkpoints


def saved(folder, step, *ranks, **more):
    for rank in ranks:
        checkpoints.write_state(folder, step, rank, {"step": step, **more}, {"w": step, "rank": rank})


def test_a_step_counts_when_every_rank_has_it(tmp_path):
    """Ranks can die one step apart: the newest step of one is not the newest of all."""
    assert checkpoints.latest_complete(tmp_path / "none", 2) == -1
    saved(tmp_path, 11, 0, 1)
    saved(tmp_path, 12, 0)
    assert checkpoints.latest_complete(tmp_path, 2) == 11
    assert checkpoints.latest_complete(tmp_path, 1) == 12
    assert checkpoints.latest_complete(tmp_path, 3) == -1


def test_one_shared_file_is_a_whole_step(tmp_path):
    """shared.pkl is everybody's; a rank's own file comes first where both are."""
    saved(tmp_path, 5, None)
    assert checkpoints.latest_complete(tmp_path, 64) == 5
    assert checkpoints.read_state(tmp_path, 5, rank=63)[1] == {"w": 5, "rank": None}
    saved(tmp_path, 5, 63)
    assert checkpoints.read_state(tmp_path, 5, rank=63)[1]["rank"] == 63


def test_the_names_are_those_of_the_contract(tmp_path):
    """`step-000000012/rank-0.pkl`, and nothing beside it."""
    path = Path(checkpoints.write_state(tmp_path, 12, 0, {}, 1))
    assert path == tmp_path / "step-000000012" / "rank-0.pkl"
    assert os.listdir(path.parent) == ["rank-0.pkl"]


def test_the_two_latest_and_what_the_attempt_began_with_are_kept(tmp_path):
    """Older ones go, incomplete ones too; a rank that starts late still finds the step it resumes from."""
    for step in (3, 5, 7, 9):
        saved(tmp_path, step, 0, 1)
    saved(tmp_path, 6, 0)
    saved(tmp_path, 10, 0)
    checkpoints.prune(tmp_path, 2, resume_step=5)
    assert checkpoints.steps(tmp_path) == [5, 7, 9, 10]


def test_nothing_is_removed_while_fewer_than_two_are_complete(tmp_path):
    """One whole checkpoint and half of the next: both stay."""
    saved(tmp_path, 1, 0, 1)
    saved(tmp_path, 2, 0)
    checkpoints.prune(tmp_path, 2, resume_step=-1)
    assert checkpoints.steps(tmp_path) == [1, 2]


def test_half_a_step_of_an_earlier_attempt_is_never_completed_by_a_later_one(tmp_path):
    """Each rank takes its own leftovers away before it starts."""
    saved(tmp_path, 11, 0, 1)
    saved(tmp_path, 12, 0)
    checkpoints.discard_newer(tmp_path, 11, rank=1)
    assert checkpoints.steps(tmp_path) == [11, 12]
    checkpoints.discard_newer(tmp_path, 11, rank=0)
    assert checkpoints.steps(tmp_path) == [11]
    saved(tmp_path, 12, 1)
    assert checkpoints.latest_complete(tmp_path, 2) == 11


def test_a_state_that_cannot_be_pickled_leaves_the_old_file(tmp_path):
    """And no temporary one."""
    saved(tmp_path, 1, 0)
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        checkpoints.write_state(tmp_path, 1, 0, {}, lambda: None)
    assert checkpoints.read_state(tmp_path, 1, 0)[1] == {"w": 1, "rank": 0}
    assert os.listdir(tmp_path / "step-000000001") == ["rank-0.pkl"]


@pytest.mark.parametrize("point", ["fsync:1", "rename:1", "fsync:2", "rename:2"])
def test_killed_at_any_moment_a_step_is_whole_or_does_not_count(tmp_path, point):
    """SIGKILL at the n-th fsync or rename of two saves: the first state or the second, never half of one."""
    program = (
        "import sys; from jupyter_aicci.agent import checkpoints\n"
        "for value in (1, 2): checkpoints.write_state(sys.argv[1], 7, 0, {}, bytes([value]) * 100_000)"
    )
    env = {**os.environ, "AICCI_FAIL_AT": point}
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], env=env, check=False).returncode == -9
    if point.endswith("1"):
        assert checkpoints.latest_complete(tmp_path, 1) == -1
    else:
        assert checkpoints.read_state(tmp_path, 7, 0)[1] == b"\1" * 100_000


@settings(deadline=None)  # fsync
@given(deaths=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=4))
def test_all_ranks_always_agree_on_a_whole_step(tmp_path_factory, deaths):
    """Two ranks save every step and die at any, attempt after attempt: what is resumed is one attempt's state of both."""
    folder = tmp_path_factory.mktemp("ckpt")
    resume = -1
    for attempt, ends in enumerate(deaths):
        for rank in (0, 1):
            checkpoints.discard_newer(folder, resume, rank)
        for step in range(resume + 1, resume + 1 + max(ends)):
            for rank in (0, 1):
                if step - resume <= ends[rank]:
                    saved(folder, step, rank, attempt=attempt)
                    checkpoints.prune(folder, 2, resume_step=resume)
        newest = checkpoints.latest_complete(folder, 2)
        assert newest == resume + min(ends)
        if newest >= 0:
            heads = [checkpoints.read_state(folder, newest, rank)[0] for rank in (0, 1)]
            assert heads[0] == heads[1]
        resume = newest
