"""The policies by name: in which order runs stand, what may be started past whom, and who may take another's place.

Rule: a policy is data; `decide` is the only one that acts on it.
Sources: EASY, Lifka 1995; conservative backfill, Mu'alem & Feitelson 2001; SRTF and SRSF as in Muri (SIGCOMM 2022);
2D-LAS, Tiresias (NSDI 2019); Gittins index, Gittins 1979 as used by Tiresias-G.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from jupyter_aicci.model.errors import UserError, did_you_mean


class Backfill(StrEnum):
    """What may start although a run before it in line cannot."""

    NONE = "none"  # nothing
    SKIP = "skip"  # whatever fits
    EASY = "easy"  # what does not delay the first run of each queue that cannot start
    CONSERVATIVE = "conservative"  # what does not delay any run before it


class Placing(StrEnum):
    """Where among the places that do a run goes."""

    BEST = "best"  # best fit over the topology tree
    FIRST = "first"  # the first hosts that do
    POOL = "pool"  # only the count of what is free is looked at: the cluster as one host
    FGD = "fgd"  # where the cluster loses least for what usually comes (fragmentation gradient)
    RANDOM = "random"


class Takes(StrEnum):
    """Whose place a run may take, when it does not fit."""

    NOBODY = "nobody"
    LOWER = "lower priority"  # of runs with a lower priority in its queue, and by a queue's guarantee
    LATER = "later in the order"  # also of runs that stand behind it in the order


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One row of the table."""

    name: str
    about: str
    order: str  # one of order.ORDERS
    backfill: Backfill = Backfill.SKIP
    placing: Placing = Placing.BEST
    takes: Takes = Takes.NOBODY
    anew: bool = False  # the whole cluster is laid out anew at every decision, as the published simulators do
    min_run_s: float = 0.0  # nobody takes the place of a run that has had it for less


POLICIES: dict[str, Policy] = {
    policy.name: policy
    for policy in (
        Policy(name="fifo", order="fifo", backfill=Backfill.NONE, about="strictly in the order of submission"),
        Policy(name="fifo-skip", order="fifo", about="in the order of submission, past runs that do not fit"),
        Policy(name="sjf", order="sjf", about="shortest first, past runs that do not fit"),
        Policy(name="easy", order="fifo", backfill=Backfill.EASY,
               about="in the order of submission; others start early if the first in line is not delayed"),
        Policy(name="priority", order="fifo", backfill=Backfill.EASY, takes=Takes.LOWER,
               about="as easy; a higher priority and a queue's guarantee take places"),
        Policy(name="conservative", order="fifo", backfill=Backfill.CONSERVATIVE,
               about="in the order of submission; others start early if nobody before them is delayed"),
        Policy(name="srtf", order="srtf", placing=Placing.FIRST, takes=Takes.LATER, anew=True,
               about="shortest remaining time first, preemptive"),
        Policy(name="srsf", order="srsf", placing=Placing.FIRST, takes=Takes.LATER, anew=True,
               about="shortest remaining service (time x accelerators) first, preemptive"),
        Policy(name="las", order="las", placing=Placing.POOL, takes=Takes.LATER, anew=True,
               about="least attained service first in three levels (Tiresias-L), preemptive"),
        Policy(name="balanced", order="balanced", backfill=Backfill.EASY, takes=Takes.LATER,
               about="who has had least first, in levels that grow tenfold; half of the cluster is for the oldest"),
        Policy(name="gittins", order="gittins", takes=Takes.LATER,
               about="highest Gittins index first, learned from runs that ended, preemptive"),
    )
}  # fmt: skip


DEFAULT_POLICY = "balanced"


def policy_named(name: str) -> Policy:
    """The policy of that name, "" = the default one. Raises `UserError` (`unknown_policy`) with the nearest one."""
    if name in POLICIES or not name:
        return POLICIES[name or DEFAULT_POLICY]
    guess = did_you_mean(name, POLICIES)
    raise UserError(
        "unknown_policy", f"policy {name!r} is not known{': ' + guess if guess else '.'}",
        hint=f"Known are {', '.join(POLICIES)}.", field="policy",
    )  # fmt: skip
