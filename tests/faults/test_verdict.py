"""The root rank, the class and the words, for every way an attempt can fail."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.faults import judge
from jupyter_aicci.model.events import RankExited
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.states import ExitClass

S = 1_000_000_000


def an_exit(rank=0, *, at_s=10.0, code=1, signal=0, **more):
    return RankExited(
        run_id=RunId("r0f3c2ab"), time_ns=int(at_s * S), attempt=1, rank=rank, code=-signal if signal else code, signal=signal,
        **more,
    )  # fmt: skip


def an_error(kind="ValueError", message="bad batch", *, at_s=9.0, line=17, secondary=False, **more):
    return {"t_ns": int(at_s * S), "type": kind, "message": message, "traceback": f"Traceback…\n{kind}: {message}", "line": line,
            "cell_line": "    loss = step(batch)", "where": f"Cell In[7], line {line}", "secondary": secondary, **more}  # fmt: skip


LOST_PEER = an_error("RuntimeError", "Connection closed by peer", secondary=True, at_s=8.0)
STOPPED = {"signal": 15, "by_us": True}


def test_an_exception_is_named_with_its_cell_line():
    """Who, what, where, the traceback; class user error."""
    verdict = judge([an_exit(0, **STOPPED), an_exit(1, error=an_error())])
    assert verdict.to_json() == {
        "exit_class": "user error", "text": "rank 1 failed: ValueError: bad batch", "rank": 1, "ranks": [1],
        "where": "Cell In[7], line 17: loss = step(batch)", "hint": "", "tail": "Traceback…\nValueError: bad batch",
        "reason": "", "place": "ValueError at Cell In[7], line 17",
    }  # fmt: skip


def test_the_guilty_rank_is_named_though_it_ends_last():
    """A rank whose clean-up is slow ends, and records, after those that lost it."""
    guilty = an_exit(2, at_s=14.0, error=an_error(at_s=13.5))
    others = [an_exit(rank, at_s=10.0 + rank, error=LOST_PEER) for rank in (0, 1, 3)]
    assert judge([*others[:2], guilty, others[2]]).rank == 2


def test_a_rank_that_died_without_a_word_is_guiltier_than_one_with_an_exception():
    """kill -9 on rank 3; the others' exceptions follow from it, one of them unrecognised."""
    verdict = judge([an_exit(0, error=an_error(at_s=5.0)), an_exit(3, signal=9), an_exit(1, error=LOST_PEER)])
    assert (verdict.rank, verdict.exit_class) == (3, ExitClass.KILLED)


def test_a_kill_is_out_of_memory_only_with_evidence():
    """The same exit code, with and without the kernel's counter."""
    killed = judge([an_exit(1, signal=9, maxrss_bytes=12_000_000_000)])
    assert killed.text == "rank 1 was killed by SIGKILL, and nobody here sent it (peak 12.0 GB)"
    assert killed.exit_class is ExitClass.KILLED
    proven = judge([an_exit(1, signal=9, oom=True, maxrss_bytes=12_000_000_000)])
    assert proven.text == "rank 1 ran out of memory: the kernel killed it (peak 12.0 GB)"
    assert proven.exit_class is ExitClass.OUT_OF_MEMORY
    assert "more memory" in proven.hint


def test_a_code_above_128_is_the_signal_that_it_stands_for():
    """137 is what a shell or a container says for SIGKILL."""
    assert judge([an_exit(0, code=137)]).exit_class is ExitClass.KILLED
    assert "SIGSEGV" in judge([an_exit(0, code=139)]).text


def test_an_exit_code_without_exception_is_the_programs_own():
    """os._exit(7) writes no record, and no signal came."""
    verdict = judge([an_exit(1, code=7)])
    assert (verdict.exit_class, verdict.text) == (
        ExitClass.USER_ERROR,
        "rank 1 ended with exit code 7 and no exception",
    )


def test_a_rank_that_vanished_is_infrastructure():
    """Keeper and ranks gone at once: nobody knows the exit code."""
    assert judge([an_exit(0, code=-1, source="unknown")]).exit_class is ExitClass.INFRASTRUCTURE


def test_the_same_exception_on_all_ranks_is_told_once():
    """Four ranks, one line, one text: "4 ranks"."""
    verdict = judge([an_exit(rank, error=an_error(at_s=9.0 + rank / 100)) for rank in range(4)])
    assert (verdict.text, verdict.ranks) == ("4 ranks failed: ValueError: bad batch", (0, 1, 2, 3))


def test_only_lost_connections_are_infrastructure():
    """No rank failed by itself: the network, or a peer's host."""
    verdict = judge([an_exit(0, error=LOST_PEER), an_exit(1, error=LOST_PEER)])
    assert verdict.exit_class is ExitClass.INFRASTRUCTURE
    assert (
        verdict.text == "2 ranks lost the connection to another, first rank 0: RuntimeError: Connection closed by peer"
    )


def test_a_taken_port_is_not_the_programs_fault():
    """The rank says so in its record."""
    verdict = judge([an_exit(0, error=an_error("DistNetworkError", "EADDRINUSE", infra=True, reason="address in use"))])
    assert (verdict.exit_class, verdict.reason) == (ExitClass.INFRASTRUCTURE, "address in use")


def test_sys_exit_is_told_with_its_code_and_line():
    """A SystemExit other than 0 has a line too."""
    verdict = judge([an_exit(0, code=3, error=an_error("SystemExit", "3"))])
    assert verdict.text == "rank 0 failed: it ended itself with sys.exit(3)"
    assert verdict.where.startswith("Cell In[7], line 17")


@pytest.mark.parametrize(
    ("exits", "wanted"), [((), ExitClass.NODE_LOST), ((an_exit(0, code=0),), ExitClass.INFRASTRUCTURE)]
)
def test_silence_is_judged_too(exits, wanted):
    """An attempt of which nothing, or nothing bad, was heard did not succeed either."""
    assert judge(exits).exit_class is wanted


def test_a_rank_that_we_stopped_is_never_the_root():
    """SIGTERM and SIGKILL of ours are no failures."""
    verdict = judge([an_exit(0, signal=9, by_us=True, at_s=1.0), an_exit(1, code=5, at_s=2.0)])
    assert verdict.rank == 1
    assert judge([an_exit(0, **STOPPED)]).exit_class is ExitClass.STOPPED


KINDS = {
    "silent": {"signal": 9},
    "own": {"error": an_error()},
    "secondary": {"error": LOST_PEER},
    "stopped": STOPPED,
    "well": {"code": 0},
}


@given(kinds=st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=4), seed=st.randoms(use_true_random=False))
def test_the_verdict_does_not_depend_on_the_order_of_the_exits(kinds, seed):
    """For every mixture: the same root for all orders, and always one of the guiltiest class."""
    exits = [an_exit(rank, at_s=10 + seed.random(), **KINDS[kind]) for rank, kind in enumerate(kinds)]
    verdicts = {judge(order).rank for order in itertools.permutations(exits)}
    assert len(verdicts) == 1
    order = list(KINDS)
    root = verdicts.pop()
    if root is not None:
        assert order.index(kinds[root]) == min(order.index(kind) for kind in kinds)
