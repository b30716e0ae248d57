"""Time on the axis never goes backwards, whoever sets the wall clock."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from run_builders import T0, S, submitted

from jupyter_aicci.store.clock import Clock
from jupyter_aicci.store.journal import Journal

HOUR_NS = 3600 * S


def test_a_wall_clock_that_is_set_changes_nothing(tmp_path: Path) -> None:
    """Read once a boot: a service that comes back after the clock was set goes on where it was."""
    journal, passed, wall = Journal(tmp_path / "journal.db"), [100 * S], [T0]
    first = Clock(journal, boot="b1", monotonic_ns=lambda: passed[0], wall_ns=lambda: wall[0])
    assert first.now_ns() == T0
    passed[0] += 5 * S
    for jump in (-HOUR_NS, HOUR_NS):
        wall[0] = T0 + jump
        again = Clock(journal, boot="b1", monotonic_ns=lambda: passed[0], wall_ns=lambda: wall[0])
        assert again.now_ns() == first.now_ns() == T0 + 5 * S
    journal.close()


def test_a_boot_with_an_early_wall_clock_goes_on_from_the_journal(tmp_path: Path) -> None:
    """The battery is empty and the machine says 1970: nothing is submitted before what was submitted before."""
    journal = Journal(tmp_path / "journal.db")
    Clock(journal, boot="b1", monotonic_ns=lambda: 0, wall_ns=lambda: T0)
    journal.append([submitted(time_ns=T0 + 50 * S)])
    clock = Clock(journal, boot="b2", monotonic_ns=lambda: 7 * S, wall_ns=lambda: 0)
    assert clock.now_ns() == T0 + 50 * S
    journal.close()


def test_frames_of_an_earlier_boot_keep_their_axis(tmp_path: Path) -> None:
    """What an agent wrote before the machine was restarted is moved by that boot's offset."""
    journal = Journal(tmp_path / "journal.db")
    Clock(journal, boot="b1", monotonic_ns=lambda: 100 * S, wall_ns=lambda: T0)
    clock = Clock(journal, boot="b2", monotonic_ns=lambda: 3 * S, wall_ns=lambda: T0 + HOUR_NS)
    assert clock.from_boot(40 * S, "b1") == T0 - 60 * S
    assert clock.from_boot(3 * S) == T0 + HOUR_NS
    with pytest.raises(KeyError):
        clock.from_boot(0, "b3")
    journal.close()


def test_the_real_clock_is_near_the_wall(tmp_path: Path) -> None:
    """On a fresh journal the axis is epoch time."""
    journal = Journal(tmp_path / "journal.db")
    clock = Clock(journal)
    before, now, after = time.time_ns(), clock.now_ns(), time.time_ns()
    assert before - S < now < after + S
    assert clock.from_boot(time.clock_gettime_ns(time.CLOCK_BOOTTIME)) >= now
    journal.close()
