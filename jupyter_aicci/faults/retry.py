"""Whether a failed attempt is followed by another, when, and why not.

In: the run with all its attempts, the verdict on the latest, the newest complete checkpoint. Out: one `Retry`.
Rule 1: only what is around the program is tried again (`RETRIED`); an exception of the program never.
Rule 2: pauses of 0, 1, 4, 15, 60 s (± 20 %) count failures since the last new checkpoint: who gets on is not slowed down.
Rule 3: three failures at the same place without a new checkpoint are no progress (the rule of nvidia-resiliency-ext, 2026).
Rule 4: a port that was taken costs no retry, once a run: another program was quicker, which says nothing about this one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from jupyter_aicci.faults.verdict import Verdict, judge
from jupyter_aicci.model.events import RankExited
from jupyter_aicci.model.run import Attempt, Run
from jupyter_aicci.model.states import RETRIED, ExitClass
from jupyter_aicci.model.text import NS, duration

BACK_OFF_S = (0.0, 1.0, 4.0, 15.0, 60.0)
JITTER_RATIO = 0.2
SAME_PLACE_LIMIT = 3
PORT_TAKEN = "address in use"  # reason in the rank's error record, agent/rank/errors.py


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """`again` with the earliest moment, or not, with the class that replaces the verdict's where the reason is another."""

    again: bool
    text: str = ""
    not_before_ns: int = 0
    exit_class: ExitClass | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """One failed attempt: the verdict, where it had resumed, and the newest checkpoint when it ended."""

    verdict: Verdict
    resumed: int
    reached: int

    @property
    def progressed(self) -> bool:
        return self.reached > self.resumed


def retry_decision(run: Run, verdict: Verdict, *, checkpoint_step: int, now_ns: int) -> Retry:
    """What follows the latest attempt, of which `verdict` is the judgement and `checkpoint_step` the newest checkpoint now."""
    if verdict.exit_class not in RETRIED:
        return Retry(again=False)
    failures = _failures(run, verdict, checkpoint_step)
    stuck = _stuck(failures)
    if stuck:
        text = f"{verdict.text}; {stuck} times in a row at the same place without a new checkpoint, so it is not tried again"
        return Retry(again=False, text=text, exit_class=ExitClass.NO_PROGRESS)
    used = _counted(failures)
    if used > run.spec.retries:
        return Retry(again=False, text=f"{verdict.text}; {_used_up(run.spec.retries)}")
    delay_s = back_off_s(run.id, len(run.attempts), _since_progress(failures) - 1)
    return Retry(
        again=True,
        text=_announce(len(run.attempts) + 1, delay_s, checkpoint_step, used, run.spec.retries),
        not_before_ns=now_ns + round(delay_s * NS) if delay_s else 0,
    )


def back_off_s(run_id: str, attempt: int, failures_before: int) -> float:
    """The pause after an attempt that had `failures_before` fruitless ones before it; the same for the same run and attempt."""
    delay_s = BACK_OFF_S[min(failures_before, len(BACK_OFF_S) - 1)]
    digest = hashlib.blake2b(f"{run_id}/{attempt}".encode(), digest_size=8).digest()
    unit = int.from_bytes(digest, "big") / 2**64  # 0..1
    return delay_s * (1 + JITTER_RATIO * (2 * unit - 1))


def _failures(run: Run, verdict: Verdict, checkpoint_step: int) -> list[_Failure]:
    """Every failed attempt, oldest first; what one reached is where the next one resumed."""
    reached = [*(attempt.resume_step for attempt in run.attempts[1:]), checkpoint_step]
    verdicts = [*(judge(_exits(attempt)) for attempt in run.attempts[:-1]), verdict]
    return [
        _Failure(verdict=judged, resumed=attempt.resume_step, reached=step)
        for attempt, judged, step in zip(run.attempts, verdicts, reached, strict=True)
        if judged.exit_class in RETRIED and not attempt.gave_way
    ]


def _exits(attempt: Attempt) -> tuple[RankExited, ...]:
    return tuple(exit_ for _, exit_ in sorted(attempt.exits.items()))


def _stuck(failures: list[_Failure]) -> int:
    """How many of the latest failures were at one place without a new checkpoint; 0 where they are too few."""
    place, found = failures[-1].verdict.place, 0
    for failure in reversed(failures):
        if not place or failure.verdict.place != place or failure.progressed:
            break
        found += 1
    return found if found >= SAME_PLACE_LIMIT else 0


def _counted(failures: list[_Failure]) -> int:
    """How many retries the next attempt would make, the free one left out."""
    free = any(failure.verdict.reason == PORT_TAKEN for failure in failures)
    return len(failures) - free


def _since_progress(failures: list[_Failure]) -> int:
    """Failures since the last new checkpoint, this one included."""
    found = 0
    for failure in reversed(failures):
        found += 1
        if failure.progressed:
            break
    return found


def _used_up(retries: int) -> str:
    return f"all {retries} retries are used" if retries else "--retries 0 allows no other attempt"


def _announce(attempt: int, delay_s: float, checkpoint_step: int, used: int, retries: int) -> str:
    when = "now" if not delay_s else f"in {duration(delay_s)}"
    source = f"from checkpoint step {checkpoint_step}" if checkpoint_step >= 0 else "from the beginning"
    return f"attempt {attempt} starts {when} {source} (retry {used} of {retries})"
