"""What follows a failed attempt: again, when, or why not."""

import pytest

from jupyter_aicci.faults import judge, retry_decision
from jupyter_aicci.faults.retry import BACK_OFF_S, back_off_s
from jupyter_aicci.model.events import Placed, RankExited, Stepped, Submitted
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.placement import NodePlacement, Placement
from jupyter_aicci.model.run import fold
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.model.spec import RunSpec
from jupyter_aicci.model.states import ExitClass, Step

NS = 1_000_000_000
RUN = RunId("r0f3c2ab")
KILLED = {"code": -9, "signal": 9}
CRASHED = {"code": -11, "signal": 11}
PORT_TAKEN = {
    "code": 1,
    "error": {"type": "DistNetworkError", "infra": True, "reason": "address in use", "where": "Cell In[7], line 3"},
}
USER_ERROR = {"code": 1, "error": {"type": "ValueError", "message": "bad", "where": "Cell In[7], line 3"}}
PLACEMENT = Placement(
    shape=Shape(name="cpux2", cpus=2), ranks_per_node=1, nodes=(NodePlacement(index=0, host="h", address="127.0.0.1"),)
)


def a_decision(*ends, resumed=None, checkpoint_step=-1, retries=3):
    """The decision after attempts that ended like `ends`; attempt k resumed from `resumed[k]`."""
    resumed = resumed or [-1] * len(ends)
    rows = [Submitted(run_id=RUN, time_ns=0, spec=RunSpec(retries=retries).to_json(), prices={})]
    rows.append(Stepped(run_id=RUN, time_ns=0, step=Step.ENQUEUE, attempt=0))
    for number, (end, step) in enumerate(zip(ends, resumed, strict=True), 1):
        at = number * NS
        rows.append(Stepped(run_id=RUN, time_ns=at, step=Step.PLACE, attempt=number))
        rows.append(
            Placed(run_id=RUN, time_ns=at, attempt=number, placement=PLACEMENT.to_json(), port=29500, resume_step=step)
        )
        rows.append(RankExited(run_id=RUN, time_ns=at + 1, attempt=number, rank=0, **end))
        if number < len(ends):
            rows.append(Stepped(run_id=RUN, time_ns=at + 2, step=Step.LOSE, attempt=number))
            rows.append(Stepped(run_id=RUN, time_ns=at + 3, step=Step.REQUEUE, attempt=number))
    run = fold(rows)
    verdict = judge(tuple(run.attempts[-1].exits.values()))
    return retry_decision(run, verdict, checkpoint_step=checkpoint_step, now_ns=100 * NS)


def test_a_users_error_is_never_tried_again():
    """It would only happen again; the verdict's own words stand."""
    decision = a_decision(USER_ERROR)
    assert (decision.again, decision.text) == (False, "")


def test_the_first_restart_is_immediate_and_says_from_where():
    """Pause 0, and the words for the card."""
    decision = a_decision(KILLED, checkpoint_step=12)
    assert (decision.again, decision.not_before_ns) == (True, 0)
    assert decision.text == "attempt 2 starts now from checkpoint step 12 (retry 1 of 3)"


def test_pauses_grow_while_no_checkpoint_comes():
    """0, 1, 4, 15, 60, 60 s, each within a fifth."""
    for failures in range(1, 7):
        decision = a_decision(*[KILLED] * failures, retries=9)
        wanted = BACK_OFF_S[min(failures - 1, 4)]
        pause_s = decision.not_before_ns / NS - 100 if decision.not_before_ns else 0.0
        assert decision.again
        assert 0.8 * wanted <= pause_s <= 1.2 * wanted


def test_a_run_that_gets_on_is_not_slowed_down():
    """Each attempt left a newer checkpoint: the pause stays 0."""
    decision = a_decision(KILLED, KILLED, KILLED, resumed=[-1, 10, 20], checkpoint_step=30)
    assert (decision.again, decision.not_before_ns) == (True, 0)


def test_retries_end():
    """The fourth failure of a run with three retries is its last."""
    assert a_decision(KILLED, KILLED, KILLED).again
    decision = a_decision(*[KILLED] * 4)
    assert not decision.again
    assert decision.text.endswith("all 3 retries are used")
    assert a_decision(KILLED, retries=0).text.endswith("--retries 0 allows no other attempt")


def test_three_crashes_at_one_place_without_a_checkpoint_are_no_progress():
    """Another attempt would crash there too."""
    decision = a_decision(CRASHED, CRASHED, CRASHED, retries=9)
    assert (decision.again, decision.exit_class) == (False, ExitClass.NO_PROGRESS)
    assert "3 times in a row at the same place" in decision.text


@pytest.mark.parametrize(
    ("ends", "resumed", "checkpoint"),
    [
        ((CRASHED, KILLED, CRASHED), None, -1),
        ((CRASHED,) * 3, [-1, -1, -1], 5),
        ((CRASHED,) * 3, [-1, 5, 5], 5),
        ((KILLED,) * 3, None, -1),
    ],
)
def test_other_failures_or_new_checkpoints_between_are_progress(ends, resumed, checkpoint):
    """Not the same place, or a checkpoint between, or a kill from outside that could come anywhere."""
    assert a_decision(*ends, resumed=resumed, checkpoint_step=checkpoint, retries=9).again


def test_a_taken_port_costs_one_retry_less():
    """The first time is free, the second is not."""
    assert a_decision(PORT_TAKEN, retries=0).again
    assert not a_decision(PORT_TAKEN, PORT_TAKEN, retries=0).again
    assert a_decision(PORT_TAKEN, KILLED, retries=1).again


def test_jitter_is_the_same_for_the_same_attempt():
    """No randomness: a replay of the journal decides the same."""
    assert back_off_s("r0f3c2ab", 3, 2) == back_off_s("r0f3c2ab", 3, 2)
    assert len({back_off_s("r0f3c2ab", attempt, 2) for attempt in range(50)}) == 50
