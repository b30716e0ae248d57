"""What a rule is, and the gates that all of them share.

A rule is a row that says what it measures, from where on it speaks and what that stands on (docs/reference/findings.md is
made from the rows), and a pure function of a `Board`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """How much has to be seen before a rule speaks; the same for all rules and all runs."""

    skip_steps: int = 10  # the first ones of an attempt warm up
    least_steps: int = 20  # in a window; below it nothing is said
    window_s: float = 10.0  # the shortest window
    sure_steps: int = 50  # from here on, and
    sure_s: float = 30.0  # from here on, confidence is SURE
    raise_windows: int = 2  # in a row
    clear_windows: int = 3  # in a row
    most_windows: int = 2000  # a long run has longer windows


GATES = Gates()
SURE, LIKELY, FACT = 0.9, 0.6, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of the reference."""

    id: str
    name: str
    version: int = 1
    measures: str  # in words, one sentence
    threshold: str  # with its numbers
    source: str  # what the numbers stand on
    money: str  # what is counted as wasted
    needs: str  # what has to be measured for it


CALIBRATED = "calibrated on the runs of tests/injected"
HOUSE = "a choice of this project, not yet calibrated"
UNSEEN = "a choice of this project; no such device was there to calibrate it on"
