"""Which waiting runs start now, where, and which running ones give way to them.

    decide(cluster, queues, runs, now_ns) -> Decisions

In: the cluster with what is held, the queues with their policy, the runs. Out: whole gangs only, each placed in one step.
Method: rank -> line up -> fit -> start | take a place | reserve; then the next in line.
Rule 1: no clock, no I/O, no randomness; equal arguments give equal decisions, in whatever order the runs were given.
Rule 2: nothing starts where it would delay a start that is reserved for a run before it.
Rule 3: who gives way goes first: a run that takes a place starts when those before it have left (`Start.after`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from jupyter_aicci.model.text import NS
from jupyter_aicci.scheduler.backfill import keep, keep_promises, reserve
from jupyter_aicci.scheduler.cluster import Cluster
from jupyter_aicci.scheduler.decisions import Blocked, Decisions, Never, WhyClass
from jupyter_aicci.scheduler.found import Found
from jupyter_aicci.scheduler.giveway import take_place
from jupyter_aicci.scheduler.layout import lay_out_anew
from jupyter_aicci.scheduler.never import never
from jupyter_aicci.scheduler.patience import better_later
from jupyter_aicci.scheduler.policies import Backfill, Policy, Takes, policy_named
from jupyter_aicci.scheduler.queues import Queues
from jupyter_aicci.scheduler.runs import Runs, Waiting
from jupyter_aicci.scheduler.session import Session


def decide(cluster: Cluster, queues: Queues, runs: Runs, now_ns: int) -> Decisions:
    """What happens now."""
    return settled(cluster, queues, runs, now_ns / NS, policy=policy_named(queues.policy)).decisions()


def settled(
    cluster: Cluster, queues: Queues, runs: Runs, now_s: float, *, policy: Policy, likely: bool = False
) -> Session:
    """The session in which all is decided; `likely`: by what runs are expected to take, where anybody knows, not by limits."""
    session = Session(cluster, queues, runs, now_s, policy=policy, likely=likely)
    if session.policy.anew:
        lay_out_anew(session)
        return session
    if session.policy.backfill is Backfill.CONSERVATIVE and not likely:
        keep_promises(session)
    for at in _in_line(session):
        _settle(session, at)
    return session


def _in_line(session: Session) -> Iterator[int]:
    """Rows of waiting runs, next first; who asks for what was not to be had is passed over, unless everybody gets a reservation."""
    if session.turns.shared:
        yield from session.turns.line()
        return
    order, at = session.order, 0
    while at < len(order):
        yield int(order[at])
        if session.policy.backfill is Backfill.NONE and session.heads:
            return
        at += 1
        if not session.everyone and at < len(order) and session.hopeless(order[at : at + 1])[0]:
            rest = session.hopeless(order[at:])
            stop = len(order) if rest.all() else at + int(rest.argmin())
            session.pass_over(order[at:stop])
            at = stop


def _settle(session: Session, at: int) -> None:
    """Decide about one waiting run."""
    run_id, not_before_s = session.runs.waiting_ids[at], float(session.waiting["not_before_s"][at])
    session.line.append(run_id)
    if at in session.settled:
        return
    if not session.options(at) or not session.queue_is_open(at):
        session.never.append(never_started(session, at))
    elif not_before_s > session.now_s:
        session.blocked[run_id] = Blocked(why=WhyClass.BEHIND, until_s=not_before_s)
    elif quota := session.turns.quota(at):
        session.blocked[run_id] = Blocked(why=WhyClass.QUOTA, quota=quota)
    else:
        _start_or_wait(session, at)


def never_started(session: Session, at: int) -> Never:
    """Why a run can never start."""
    kind, row = session.kind(at), session.waiting[at]
    request = Waiting(run_id=session.runs.waiting_ids[at], queue=session.runs.queues[int(row["queue"])], **asdict(kind))
    return never(session.cluster, session.queues, request) or Never(
        run_id=request.run_id,
        code="never_fits",
        text="this run can never start here.",
        hint="`%aicci shapes` lists what is.",
    )


def _start_or_wait(session: Session, at: int) -> None:
    number, kind, options = int(session.waiting["kind"][at]), session.kind(at), session.options(at)
    found = None if session.dead[number] else session.place(kind, options)
    if found is None:
        session.dead[number] = True
        if not take_place(session, at):
            _wait(session, at, Blocked(why=WhyClass.BEHIND))
        return
    before = (session.heads or session.kept) and session.policy.backfill is not Backfill.SKIP
    clear = _clear_of_reservations(session, at) if before else found
    if clear is None:
        _wait(session, at, Blocked(why=WhyClass.RESERVED, behind=session.head_before(at)))
        if session.policy.backfill is Backfill.EASY:
            session.bar(at)
        return
    later = better_later(session, at, clear) if len(clear.picks.hosts) > 1 else None
    if later is None:
        session.start(at, clear)
    else:
        if session.runs.waiting_ids[at] not in session.kept:  # a promise stands: never later than that
            keep(session, at, clear.choice, later)
        _wait(session, at, Blocked(why=WhyClass.FRAGMENTATION, better=True))


def _clear_of_reservations(session: Session, at: int) -> Found | None:
    """A place where the run delays nobody who has a reservation."""
    if session.policy.backfill is Backfill.NONE:
        return (
            None if session.queue_number(at) in session.heads else session.place(session.kind(at), session.options(at))
        )
    for earlier in session.unplanned:
        reserve(session, earlier)
    session.unplanned = []
    if session.barred(at):
        return None
    return session.place(session.kind(at), session.options(at), clear_until_s=session.ends_s(at), own=at)


def _wait(session: Session, at: int, blocked: Blocked) -> None:
    """Tell why, and keep a place for the run as far as the policy keeps any."""
    run_id, queue = session.runs.waiting_ids[at], session.queue_number(at)
    session.blocked[run_id] = blocked
    if session.policy.backfill is Backfill.CONSERVATIVE:
        reserve(session, at)
    elif (
        session.policy.backfill is Backfill.EASY
        and queue not in session.heads
        and run_id not in session.kept
        and not _all_give_way(session)
    ):
        session.unplanned.append(at)  # planned for when somebody could start at its expense
    session.heads.setdefault(queue, run_id)


def _all_give_way(session: Session) -> bool:
    """Whether the order alone brings every run to its turn: nobody then needs a place kept, and none stands idle for it."""
    return session.policy.takes is Takes.LATER and bool((session.running["preemptible"] == 1).all())
