"""Frames on their way into the store: once each, at the time they were said, over service and machine restarts."""

from __future__ import annotations

import os
from typing import Any

import pytest

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.service.feed import Feed
from jupyter_aicci.store.clock import Clock
from jupyter_aicci.store.journal import Journal
from jupyter_aicci.store.paths import Home, prepare
from jupyter_aicci.store.sealing import seal

RUN = RunId("r0000001")
SPOOL = "attempt-1/node-0/agent"


@pytest.fixture
def home() -> Home:
    home = Home.from_environment(os.environ)
    prepare(home)
    home.run_dir(RUN).mkdir()
    return home


def head(boot: str) -> dict[str, Any]:
    return {"k": "head", "t": 1, "boot_id": boot, "boot_ns": 1, "wall_ns": 1, "source": "agent"}


def clock(journal: Journal, boot: str, *, boot_ns: int, wall_ns: int) -> Clock:
    return Clock(journal, boot=boot, monotonic_ns=lambda: boot_ns, wall_ns=lambda: wall_ns)


def test_frames_come_in_once_with_their_own_time(home: Home) -> None:
    """Read again behind the same cursor, they are known."""
    journal = Journal(home.journal)
    feed = Feed(home, RUN, clock(journal, "a", boot_ns=100, wall_ns=1_000_100))
    batch = [(SPOOL, 10, head("a")), (SPOOL, 20, {"k": "steps", "t": 50})]
    assert [stored.time_ns for stored in feed.take(batch)] == [1_000_001, 1_000_050]
    assert feed.take(batch) == []
    assert feed.cursors == {SPOOL: 20}
    feed.close()
    journal.close()


def test_frames_of_an_earlier_boot_keep_their_time(home: Home) -> None:
    """The machine was restarted; what was said before is placed by that boot's anchor, also by a feed that reads it later."""
    journal = Journal(home.journal)
    first = Feed(home, RUN, clock(journal, "a", boot_ns=100, wall_ns=1_000_100))
    first.take([(SPOOL, 10, head("a"))])
    first.close()
    second = Feed(home, RUN, clock(journal, "b", boot_ns=5, wall_ns=9_000_005))
    (late,) = second.take([(SPOOL, 20, {"k": "exit", "t": 70})])
    assert late.time_ns == 1_000_070
    _, after = second.take([(SPOOL, 30, head("b")), (SPOOL, 40, {"k": "done", "t": 6})])
    assert after.time_ns == 9_000_006
    second.close()
    journal.close()


def test_a_boot_that_no_service_saw_is_not_in_the_future(home: Home) -> None:
    """Nobody can say when it was; now is the latest it can have been."""
    journal = Journal(home.journal)
    feed = Feed(home, RUN, clock(journal, "b", boot_ns=5, wall_ns=9_000_005))
    _, lost = feed.take([(SPOOL, 10, head("unseen")), (SPOOL, 20, {"k": "exit", "t": 700})])
    assert lost.time_ns == 9_000_005
    feed.close()
    journal.close()


def test_what_happened_in_an_attempt_is_read_again(home: Home) -> None:
    """What a service that begins anew is built from; of sealed samples it learns only until when they came."""
    journal = Journal(home.journal)
    feed = Feed(home, RUN, clock(journal, "a", boot_ns=100, wall_ns=1_000_100))
    feed.take(
        [(SPOOL, 10, head("a")), ("attempt-2/node-0/agent", 10, head("a")), (SPOOL, 20, {"k": "sample", "t": 20})]
    )
    seal(feed.store)
    feed.take([(SPOOL, 30, {"k": "exit", "t": 30})])
    told = [(stored.frame["k"], stored.time_ns) for stored in feed.of_attempt(1)]
    assert told == [("head", 1_000_001), ("sealed", 1_000_020), ("exit", 1_000_030)]
    feed.close()
    journal.close()
