"""Why an attempt failed, whose fault that is, and whether it is tried again.

    judge(exits) -> Verdict                                       who failed first, the class, in words
    retry_decision(run, verdict, checkpoint_step=, now_ns=) -> Retry   again (and when), or why not

Rule: functions of their arguments; no I/O, no clock, no randomness (jitter is a hash of run and attempt). Imports `model` only.
"""

from jupyter_aicci.faults.retry import Retry, retry_decision
from jupyter_aicci.faults.verdict import Verdict, judge

__all__ = ["Retry", "Verdict", "judge", "retry_decision"]
