"""What `decide` never does, whatever comes: over virtual time, on small ragged clusters, under every policy."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world_builders import NS, SHAPES, WHOLE, World, a_host, a_run, clusters

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.scheduler import (
    POLICIES,
    Cluster,
    Queue,
    Queues,
    Waiting,
    cluster_of,
    decide,
    outlook,
    runs_of,
)
from jupyter_aicci.scheduler.policies import Placing
from jupyter_aicci.scheduler.queues import amounts

ANEW = sorted(name for name, policy in POLICIES.items() if policy.anew and policy.placing is not Placing.POOL)
LIVE = sorted(name for name, policy in POLICIES.items() if not policy.anew)


@st.composite
def requests(draw: st.DrawFn, number: int, cluster: Cluster, queues: tuple[str, ...] = ("default",)) -> Waiting:
    """Anything that a user may ask for."""
    nodes = draw(st.sampled_from([1, 1, 1, 2, 3]))
    return a_run(
        number,
        shapes=tuple(
            draw(st.lists(st.sampled_from([*(shape.name for shape in SHAPES), "auto"]), min_size=1, max_size=2))
        ),
        nodes=nodes,
        min_nodes=draw(st.integers(0, nodes)),
        hard_level=draw(st.sampled_from(["", "", "", *cluster.fabric.tree.levels[1:]])),
        queue=draw(st.sampled_from(queues)),
        user=draw(st.sampled_from(["ann", "bob"])),
        priority=draw(st.sampled_from([0, 0, 1, 5])),
        submitted_ns=draw(st.integers(0, 9)) * NS,
        not_before_ns=draw(st.sampled_from([0, 0, 0, 5 * NS])),
        limit_s=draw(st.sampled_from([0.0, 20.0, 60.0])),
        expected_s=draw(st.sampled_from([0.0, 10.0])),
    )


@st.composite
def trees_of_queues(draw: st.DrawFn, policies: list[str]) -> Queues:
    """One queue, or a branch of two and one beside it, with guarantees and limits."""
    policy = draw(st.sampled_from(policies))
    if draw(st.booleans()):
        return Queues(policy=policy)
    claims = st.sampled_from([(), amounts(h100=1), amounts(h100=2)])
    limits = st.sampled_from([(), amounts(h100=6)])
    branch = (
        Queue(name="lab"),
        Queue(name="lab-a", parent="lab", guarantee=draw(claims)),
        Queue(name="lab-b", parent="lab", deserved=draw(claims), limit=draw(limits)),
        Queue(name="default", weight=draw(st.sampled_from([1.0, 3.0]))),
    )
    return Queues(queues=branch, policy=policy)


@st.composite
def days(draw: st.DrawFn, policies: list[str] = LIVE) -> tuple[World, list[list[Waiting]]]:
    """A world, and what is submitted in each of its first seconds."""
    cluster, queues = draw(clusters()), draw(trees_of_queues(policies))
    count = draw(st.integers(1, 9))
    runs = [draw(requests(number, cluster, queues.leaves)) for number in range(count)]
    takes_s = {run.run_id: draw(st.integers(1, int(run.limit_s or 40))) for run in runs}
    preemptible = POLICIES[queues.policy].anew or draw(st.booleans())
    world = World(cluster=cluster, queues=queues, takes_s=takes_s, preemptible=preemptible)
    arrivals: list[list[Waiting]] = [[] for _ in range(10)]
    for run in runs:
        arrivals[run.submitted_ns // NS].append(run)
    return world, arrivals


def lived(world: World, arrivals: list[list[Waiting]], most: int = 400) -> None:
    """The world from the first submission until nothing happens any more, or for so many events."""
    for moment_s, runs in enumerate(arrivals):
        world.pass_until(moment_s)
        world.submit(*runs)
        world.decide()
    for _ in range(most):
        moment_s = world.next_end_s()
        if moment_s is None and not world.waiting:
            return
        world.pass_until(max(world.now_s + 1, moment_s or 0))
        world.decide()


@given(days())
@settings(deadline=None)
def test_nothing_is_given_twice_gangs_are_whole_and_all_runs_end(day: tuple[World, list[list[Waiting]]]) -> None:
    """Checked at every decision of a day by a ledger of its own; at its end nobody is left waiting."""
    world, arrivals = day
    lived(world, arrivals)
    assert not world.waiting
    assert not world.running


@given(days(ANEW))
@settings(deadline=None)
def test_nothing_is_given_twice_where_all_is_laid_out_anew(day: tuple[World, list[list[Waiting]]]) -> None:
    """The same for the policies of published simulators, which move runs as they like."""
    lived(*day, most=20)


# ------------------------------------------------------------------------------ the same input, the same answer


@given(days(LIVE + ANEW), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_decisions_do_not_depend_on_the_order_of_the_input(day: tuple[World, list[list[Waiting]]], rng: Random) -> None:
    """Hosts, runs that wait and runs that hold nodes in any order: the answer is equal, field by field."""
    world, arrivals = day
    for moment_s, runs in enumerate(arrivals):
        world.pass_until(moment_s)
        world.submit(*runs)
        held, waiting = list(world.running.values()), list(world.waiting.values())
        first = decide(world.held, world.queues, world.runs, world.now_ns)
        hosts = rng.sample(world.cluster.hosts, len(world.cluster.hosts))
        cluster = cluster_of(hosts, shapes=SHAPES).without(one.placement for one in rng.sample(held, len(held)))
        shuffled = runs_of(rng.sample(waiting, len(waiting)), rng.sample(held, len(held))).promised(world.runs.promises)
        assert decide(cluster, world.queues, shuffled, world.now_ns) == first
        world.decide()


# ---------------------------------------------------------------------------------------------- preemption


@st.composite
def full_moments(draw: st.DrawFn) -> World:
    """Everything is submitted at once; queues of different rights, all of which may be asked to give way."""
    cluster = draw(clusters(WHOLE, plain=True))
    count = draw(st.integers(2, 10))
    names = ("default", "a", "b")
    queues = Queues(
        queues=(
            Queue(name="default", guarantee=draw(st.sampled_from([(), amounts(h100=1)]))),
            Queue(
                name="a",
                guarantee=draw(st.sampled_from([(), amounts(h100=2)])),
                weight=draw(st.sampled_from([1.0, 3.0])),
            ),
            Queue(name="b", deserved=draw(st.sampled_from([(), amounts(h100=2)]))),
        ),
        policy=draw(st.sampled_from(LIVE)),
    )
    runs = [
        a_run(
            number,
            shapes=(draw(st.sampled_from(["g1", "g2", "g4"])),),
            nodes=draw(st.sampled_from([1, 1, 2])),
            queue=draw(st.sampled_from(names)),
            priority=draw(st.sampled_from([0, 0, 1, 5])),
            attained_s=float(draw(st.sampled_from([0, 5000, 9000]))),
        )
        for number in range(count)
    ]
    world = World(cluster=cluster, queues=queues, takes_s={run.run_id: 1000 for run in runs}, now_s=count)
    first = draw(st.integers(0, count))
    world.submit(*runs[:first])
    world.decide()
    world.submit(*runs[first:])
    return world


@pytest.mark.parametrize("policy", LIVE)
@pytest.mark.parametrize("claim", ["guarantee", "deserved", ""])
def test_large_runs_that_borrow_and_small_ones_that_reclaim_come_to_rest(policy: str, claim: str) -> None:
    """Two queues of four accelerators, each with a large run of high priority that borrows; from every way to begin."""
    cluster = cluster_of([a_host("h0", gpus=8)], shapes=WHOLE)
    claims = {claim: amounts(h100=4)} if claim else {}
    queues = Queues(queues=(Queue(name="a", **claims), Queue(name="b", **claims), Queue(name="default")), policy=policy)
    runs = [
        a_run(1, shapes=("g2",), nodes=3, queue="a", priority=9),
        a_run(2, shapes=("g2",), queue="a", priority=5),
        a_run(3, shapes=("g2",), queue="a", priority=5),
        a_run(4, shapes=("g1",), nodes=5, queue="b", priority=9),
        a_run(5, shapes=("g4",), queue="b", priority=5),
    ]
    for number in range(1 << len(runs)):
        world = World(cluster=cluster, queues=queues, takes_s={run.run_id: 1000 for run in runs}, now_s=10)
        for at, run in enumerate(runs):
            if number >> at & 1:
                world.submit(run)
                world.decide()
        world.submit(*(run for at, run in enumerate(runs) if not number >> at & 1))
        comes_to_rest(world)


def comes_to_rest(world: World) -> None:
    """Decided again and again at one moment, no set of running runs comes back, and soon nothing happens any more."""
    seen = [frozenset(world.running)]
    while True:
        decisions = world.decide()
        if not decisions.starts and not decisions.preempts:
            return
        assert frozenset(world.running) not in seen, "a state comes back"
        seen.append(frozenset(world.running))
        assert len(seen) <= len(world.takes_s) + 1


@given(full_moments())
@settings(deadline=None)
def test_preemption_never_ping_pongs(world: World) -> None:
    """Whatever runs at first, and whoever waits."""
    comes_to_rest(world)


@given(full_moments())
@settings(deadline=None)
def test_nobody_gives_way_who_may_not_be_asked(world: World) -> None:
    """No run is sent away that is not preemptible, and none of higher priority for one of its own queue."""
    held = dict(world.running)
    decisions = world.decide()
    waiting = {start.run_id for start in decisions.starts}
    by_id = {**{run_id: one.run for run_id, one in held.items()}, **world.waiting}
    by_id |= {run_id: one.run for run_id, one in world.running.items()}
    for preempt in decisions.preempts:
        taker, victim = by_id[preempt.for_run], by_id[preempt.run_id]
        assert preempt.for_run in waiting
        assert taker.queue != victim.queue or taker.priority >= victim.priority


# ------------------------------------------------------------------------------- promises, limits given


@st.composite
def promised_days(draw: st.DrawFn, policy: str) -> tuple[World, list[list[Waiting]]]:
    """One queue, one user, run time limits that hold; nobody has priority, so that nobody comes in before another."""
    alike = policy == "easy"  # there a gang may let its turn pass for a better place; here no place is better
    cluster = (
        cluster_of([a_host(f"h{n}", "s", "l") for n in range(3)], shapes=WHOLE)
        if alike
        else draw(clusters(WHOLE, plain=True))
    )
    asks = st.tuples(st.sampled_from(["g1", "g2", "g4"]), st.sampled_from([1, 1, 2, 3]))
    runs = [
        a_run(
            number,
            shapes=(shape,),
            nodes=nodes if shape == "g4" or not alike else 1,
            hard_level=draw(st.sampled_from(["", "", "leaf", "spine"])),
            submitted_ns=draw(st.integers(0, 6)) * NS + number,
            limit_s=float(draw(st.integers(1, 30))),
        )
        for number, (shape, nodes) in enumerate(draw(st.lists(asks, min_size=2, max_size=10)))
    ]
    takes_s = {run.run_id: draw(st.integers(1, int(run.limit_s))) for run in runs}
    world = World(
        cluster=cluster, queues=Queues(policy=policy), takes_s=takes_s, preemptible=False, keeps_promises=True
    )
    arrivals: list[list[Waiting]] = [[] for _ in range(7)]
    for run in sorted(runs, key=lambda run: run.submitted_ns):
        arrivals[run.submitted_ns // NS].append(run)
    return world, arrivals


@given(promised_days("conservative"))
@settings(deadline=None)
def test_a_forecast_bound_is_kept(day: tuple[World, list[list[Waiting]]]) -> None:
    """The latest start that a run is told when it is submitted is kept, whatever comes after it and ends before its limit."""
    world, arrivals = day
    bounds: dict[RunId, float] = {}

    def told(moment_s: int) -> None:
        found = outlook(world.held, world.queues, world.runs, world.now_ns)
        for run_id in world.waiting:
            bounds[run_id] = min(bounds.get(run_id, math.inf), found.of(run_id).latest_s)

    _lived_asking(world, arrivals, told)
    for run_id, started_s in world.started_s.items():
        assert started_s <= bounds[run_id] + 1e-6, f"{run_id} was to start by {bounds[run_id]}"


@pytest.mark.parametrize("policy", ["easy", "conservative"])
@given(data=st.data())
@settings(deadline=None)
def test_backfill_never_delays_a_reserved_start(policy: str, data: st.DataObject) -> None:
    """The first reservation that a run is given is kept or bettered: who starts past it is gone by then or elsewhere."""
    world, arrivals = data.draw(promised_days(policy))
    reserved: dict[RunId, float] = {}
    for moment_s, runs in enumerate(arrivals):
        world.pass_until(moment_s)
        world.submit(*runs)
        _noted(reserved, world)
    while (moment := world.next_end_s()) is not None:
        world.pass_until(moment)
        _noted(reserved, world)
    for run_id, start_s in reserved.items():
        assert world.started_s[run_id] <= start_s + 1e-6, f"{run_id} had a place from {start_s} on"


def _noted(reserved: dict[RunId, float], world: World) -> None:
    """Decide, and keep the earliest start that was ever reserved for each run; EASY keeps that of the first in line only."""
    reserves = world.decide().reserves
    first = min(world.waiting.values(), key=lambda run: run.submitted_ns, default=None)
    for reserve in reserves:
        assert reserve.sure
        if world.queues.policy == "conservative" or (first and reserve.run_id == first.run_id):
            reserved[reserve.run_id] = min(reserve.start_s, reserved.get(reserve.run_id, math.inf))


def _lived_asking(world: World, arrivals: list[list[Waiting]], told: Callable[[int], None]) -> None:
    for moment_s, runs in enumerate(arrivals):
        world.pass_until(moment_s)
        world.submit(*runs)
        told(moment_s)
        world.decide()
    while (moment := world.next_end_s()) is not None:
        world.pass_until(moment)
        told(moment)
        world.decide()
    assert not world.waiting


# ------------------------------------------------------------------------------------------ nobody starves


@pytest.mark.parametrize("policy", ["easy", "conservative", "fifo"])
@given(data=st.data())
@settings(deadline=None)
def test_a_large_gang_is_not_starved_by_small_runs(policy: str, data: st.DataObject) -> None:
    """Small runs keep coming for ever; the gang over all of the cluster starts when all that ran before it have ended."""
    gpus = data.draw(st.sampled_from([1, 2]))
    hosts = data.draw(st.integers(2, 4))
    cluster = cluster_of([a_host(f"h{n}", "s", f"l{n // 2}") for n in range(hosts)], shapes=WHOLE)
    limits = data.draw(st.lists(st.integers(1, 9), min_size=20, max_size=20))
    small = [
        a_run(n + 1, shapes=(f"g{gpus}",), limit_s=float(limit), submitted_ns=n * NS) for n, limit in enumerate(limits)
    ]
    large = a_run(500, shapes=("g4",), nodes=hosts, limit_s=5.0, submitted_ns=3 * NS)
    takes_s = {run.run_id: int(run.limit_s) for run in (*small, large)}
    world = World(
        cluster=cluster, queues=Queues(policy=policy), takes_s=takes_s, preemptible=False, keeps_promises=True
    )
    last_s = 0
    for moment_s in range(60):
        world.pass_until(moment_s)
        world.submit(*(run for run in (*small, large) if run.submitted_ns // NS == moment_s))
        world.decide()
        if moment_s == 3:
            last_s = max(3, *(one.started_ns // NS + takes_s[run_id] for run_id, one in world.running.items()))
        if large.run_id in world.started_s:
            break
    assert world.started_s[large.run_id] <= last_s


@given(
    st.integers(2, 4),
    st.sampled_from(["g1", "g2"]),
    st.lists(st.integers(1, 9), min_size=120, max_size=120),
    st.booleans(),
)
@settings(deadline=None, max_examples=30)
def test_the_default_policy_starves_nobody(hosts: int, shape: str, takes: list[int], preemptible: bool) -> None:
    """The same without limits: before a run stand at most twice the units that were submitted before it, and one gang."""
    cluster = cluster_of([a_host(f"h{n}", "s", f"l{n // 2}") for n in range(hosts)], shapes=WHOLE)
    small = [a_run(n + 1, shapes=(shape,), submitted_ns=n * NS) for n in range(len(takes))]
    large = a_run(500, shapes=("g4",), nodes=hosts, submitted_ns=3 * NS)
    takes_s = {run.run_id: time_s for run, time_s in zip(small, takes, strict=True)} | {large.run_id: 5}
    world = World(cluster=cluster, queues=Queues(), takes_s=takes_s, preemptible=preemptible)
    for moment_s in range(len(takes)):
        world.pass_until(moment_s)
        world.submit(*(run for run in (*small, large) if run.submitted_ns // NS == moment_s))
        world.decide()
        if large.run_id in world.started_s:
            break
    # Nine runs of nine seconds at most, four at once, after those that ran already.
    assert world.started_s[large.run_id] <= 3 + 9 + 27


# ------------------------------------------------------------------------------------------- guarantees


@given(st.data())
@settings(deadline=None)
def test_a_guarantee_is_never_violated_while_demand_exists(data: st.DataObject) -> None:
    """Runs of one accelerator each: once nothing happens any more, each queue has its guarantee or all that it wants."""
    gpus = data.draw(st.integers(1, 3))
    cluster = cluster_of([a_host(f"h{n}", "s", "l", gpus=2) for n in range(gpus)], shapes=WHOLE)
    names = ("default", "a", "b")
    cuts = sorted(data.draw(st.lists(st.integers(0, 2 * gpus), min_size=2, max_size=2)))
    shares = (cuts[0], cuts[1] - cuts[0], 2 * gpus - cuts[1])
    queues = Queues(
        queues=tuple(
            Queue(name=name, guarantee=amounts(h100=share) if share else ())
            for name, share in zip(names, shares, strict=True)
        ),
        policy=data.draw(st.sampled_from(LIVE)),
    )
    order = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=14))
    runs = [a_run(number, queue=name) for number, name in enumerate(order)]
    world = World(cluster=cluster, queues=queues, takes_s={run.run_id: 1000 for run in runs}, now_s=0)
    for run in runs:
        world.submit(run)
        for _ in range(len(runs)):
            decisions = world.decide()
            if not decisions.starts and not decisions.preempts:
                break
        for name, share in zip(names, shares, strict=True):
            has = sum(one.run.queue == name for one in world.running.values())
            wants = has + sum(one.queue == name for one in world.waiting.values())
            assert has >= min(share, wants), f"queue {name} has {has} of its {share}, and wants {wants}"
