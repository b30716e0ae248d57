"""Run one of our modules with a wall clock that is wrong: `python other_clock.py MODULE WORDS…`.

AICCI_TEST_CLOCK names a file with the seconds to add; it is read at each look at the clock, so that the clock can be set while
the program runs. Boot time, monotonic time and other processes are as they are.
"""

from __future__ import annotations

import datetime
import os
import runpy
import sys
import time

FILE = os.environ["AICCI_TEST_CLOCK"]
real_ns = time.time_ns


def wrong_ns() -> int:
    with open(FILE, encoding="ascii") as file:
        return real_ns() + int(file.read()) * 1_000_000_000


class Datetime(datetime.datetime):
    """`datetime` by that clock."""

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Datetime:
        return cls.fromtimestamp(time.time(), tz)


time.time_ns = wrong_ns
time.time = lambda: wrong_ns() / 1e9
datetime.datetime = Datetime  # type: ignore[misc]
sys.path.pop(0)
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
