"""What an attempt's frames add up to, in any portions, however often they are read."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.service.seen import NOTES_KEPT, Seen, see


@dataclass(frozen=True, slots=True, kw_only=True)
class AFrame:
    """A stored frame, as far as `see` reads it."""

    frame: dict[str, Any]
    attempt: int = 1
    node: int = 0
    time_ns: int = 0
    writer: str = "agent"


def an_exit(rank: int, code: int = 0, *, t: int = 5, **more: Any) -> AFrame:
    frame = {"k": "exit", "t": t, "rank": rank, "code": code, "signal": 0, "by_us": False, "oom": False}
    return AFrame(frame={**frame, "source": "keeper", "error": None, "maxrss_bytes": 1}, time_ns=t, **more)


def started(rank: int, **more: Any) -> AFrame:
    return AFrame(frame={"k": "started", "t": 1, "rank": rank, "pid": 100 + rank}, **more)


def done(node: int, t: int = 9) -> AFrame:
    return AFrame(frame={"k": "done", "t": t, "leftover": 0}, node=node, time_ns=t)


def a_note(t: int, writer: str = "agent") -> AFrame:
    frame = {"k": "note", "t": t, "topic": "environment", "text": "changed", "data": {"n": t}}
    return AFrame(frame=frame, writer=writer, time_ns=t)


FRAMES = [started(0), started(1, node=1), a_note(2), an_exit(0), an_exit(1, 7, node=1), done(0), done(1)]


def test_frames_add_up() -> None:
    """Who started, who ended and how, which nodes are free, what was noted."""
    seen = see(Seen(attempt=1), FRAMES)
    assert seen.started == {0: 0, 1: 0}
    assert {rank: exit_.frame["code"] for rank, exit_ in seen.exits.items()} == {0: 0, 1: 7}
    assert seen.done == {0: 9, 1: 9}
    assert [note.topic for note in seen.notes] == ["environment"]


def test_the_first_word_counts() -> None:
    """An exit or a done that is said again, differently, changes nothing."""
    seen = see(Seen(attempt=1), [an_exit(0, 3), an_exit(0, 0), done(0, 4), done(0, 8)])
    assert seen.exits[0].frame["code"] == 3
    assert seen.done == {0: 4}


def test_frames_of_another_attempt_are_passed_over() -> None:
    """The end of attempt 1 is not the end of attempt 2."""
    assert see(Seen(attempt=2), FRAMES) == Seen(attempt=2)


def test_what_the_program_notes_stays_out_of_the_journal() -> None:
    """Only agents' notes become rows, and not more than the bound."""
    assert see(Seen(attempt=1), [a_note(1, writer="rank-0")]).notes == ()
    many = see(Seen(attempt=1), [a_note(t) for t in range(NOTES_KEPT + 10)])
    assert len(many.notes) == NOTES_KEPT


def test_a_hang_names_its_suspects() -> None:
    """The note has a sentence, the stacks are its data."""
    frame = {"k": "hang", "t": 3, "groups": [{"ranks": [0], "stack": "s"}], "suspects": [2]}
    (note,) = see(Seen(attempt=1), [AFrame(frame=frame)]).notes
    assert (note.topic, note.data["suspects"]) == ("hang", [2])
    assert "rank 2" in note.text


def test_a_gap_in_what_an_agent_said_is_known_by_its_node() -> None:
    """One in what a rank said is not: no end is told there."""
    gap = {"k": "gap", "t": 4, "lost_bytes": 90}
    assert see(Seen(attempt=1), [AFrame(frame=gap, node=3), AFrame(frame=gap, writer="rank-0")]).damaged == {3}


@given(st.lists(st.integers(0, len(FRAMES)), max_size=4))
def test_portions_do_not_matter(cuts: list[int]) -> None:
    """A service that was killed and reads everything again sees what it had seen."""
    edges = [0, *sorted(cuts), len(FRAMES)]
    seen = Seen(attempt=1)
    for start, end in itertools.pairwise(edges):
        seen = see(seen, FRAMES[start:end])
    assert seen == see(Seen(attempt=1), FRAMES)
