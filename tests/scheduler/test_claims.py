"""Nobody takes turns: whoever comes in stands before all whom it sends away."""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import TopologicalSorter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.scheduler.claims import Cause, Claim, Claims, may_preempt, within_entitlement
from jupyter_aicci.scheduler.fit import fit
from jupyter_aicci.scheduler.preempt import Want, candidates_of, room_of, victims
from jupyter_aicci.scheduler.topology import Tree, tree_of

GPUS = 8  # of each host of these tests


def a_claim(queue: int = 0, *, entitled: bool = True, priority: int = 0, level: float = 0) -> Claim:
    return Claim(queue=queue, entitled=entitled, priority=priority, level=level)


some_claims = st.builds(
    a_claim, st.integers(0, 2), entitled=st.booleans(), priority=st.integers(0, 2), level=st.integers(0, 2)
)


@pytest.mark.parametrize(
    ("taker", "victim", "cause"),
    [
        (a_claim(0), a_claim(1, entitled=False), Cause.RECLAIM),
        (a_claim(0), a_claim(1, entitled=False, priority=9), Cause.RECLAIM),
        (a_claim(0, priority=9), a_claim(1), None),
        (a_claim(0, entitled=False), a_claim(1, entitled=False), None),
        (a_claim(priority=1), a_claim(), Cause.PRIORITY),
        (a_claim(priority=1, entitled=False), a_claim(entitled=False), Cause.PRIORITY),
        (a_claim(priority=1, entitled=False), a_claim(), None),
        (a_claim(), a_claim(priority=1, entitled=False), None),
        (a_claim(level=1), a_claim(level=2), Cause.ORDER),
        (a_claim(level=2), a_claim(level=2), None),
        (a_claim(level=2), a_claim(level=1), None),
        (a_claim(level=1), a_claim(level=2, priority=1), None),
    ],
)
def test_who_may_send_whom_away(taker: Claim, victim: Claim, cause: Cause | None) -> None:
    """What is borrowed is given back; inside a queue priority and then order decide, and a borrower takes nothing."""
    assert may_preempt(taker, victim) is cause


@given(some_claims, some_claims)
def test_every_preemption_leads_down_one_line(taker: Claim, victim: Claim) -> None:
    """Entitled, then priority, then level: a preemption against this line is what would close a circle."""
    if may_preempt(taker, victim):
        stands = [(not claim.entitled, -claim.priority, claim.level) for claim in (taker, victim)]
        assert stands[0] < stands[1]


@given(some_claims, st.lists(some_claims, max_size=8))
def test_columns_say_what_single_claims_say(taker: Claim, others: list[Claim]) -> None:
    """`preemptible_by` is `may_preempt` row by row."""
    columns = as_columns(others)
    assert columns.preemptible_by(taker).tolist() == [may_preempt(taker, other) is not None for other in others]
    assert [columns.row(index) for index in range(len(others))] == others


def as_columns(claims: list[Claim]) -> Claims:
    return Claims(
        queue=np.array([claim.queue for claim in claims], np.int64),
        entitled=np.array([claim.entitled for claim in claims], np.bool_),
        priority=np.array([claim.priority for claim in claims], np.int64),
        level=np.array([claim.level for claim in claims], np.float64),
    )


@st.composite
def queues_with_runs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(queue, amounts, rank, entitled) of a few runs in a few queues over two resources."""
    count, queues = draw(st.integers(0, 12)), draw(st.integers(1, 3))
    queue = np.array(draw(st.lists(st.integers(0, queues - 1), min_size=count, max_size=count)), np.int64)
    numbers = draw(st.lists(st.integers(0, 6), min_size=2 * count, max_size=2 * count))
    entitled = draw(st.lists(st.integers(0, 12), min_size=2 * queues, max_size=2 * queues))
    rank = np.array(draw(st.permutations(range(count))), np.int64)
    return queue, np.array(numbers, np.int64).reshape(-1, 2), rank, np.array(entitled, np.int64).reshape(-1, 2)


@given(queues_with_runs())
def test_an_entitlement_is_given_out_in_the_order_of_the_queue(case: tuple[np.ndarray, ...]) -> None:
    """As if run by run; what is too large for the rest is passed over; no queue gets more than it is entitled to."""
    queue, amounts, rank, entitled = case
    expected = [False] * len(queue)
    left = entitled.copy()
    for row in np.argsort(rank):
        if (amounts[row] <= left[queue[row]]).all():
            left[queue[row]] -= amounts[row]
            expected[row] = True
    assert within_entitlement(queue, amounts, rank, entitled).tolist() == expected


# ------------------------------------------------------------------------- preempting on a small cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """A cluster, all of its runs and how they stand; which of them run is a set of names with their places."""

    tree: Tree
    wants: tuple[Want, ...]
    claims: Claims

    def free(self, running: dict[int, np.ndarray]) -> np.ndarray:
        held = sum(running.values(), np.zeros(self.tree.hosts, np.int64))
        return (GPUS - held)[None, :]

    def placed(self, run: int, running: dict[int, np.ndarray]) -> np.ndarray | None:
        """What the run would hold on each host, None if it does not fit into what is free."""
        want = self.wants[run]
        picks = fit(self.tree, room_of(self.free(running), want), want.nodes, want.highest_level)
        if picks is None:
            return None
        held = np.zeros(self.tree.hosts, np.int64)
        held[picks.hosts] = picks.counts * want.demand[0]
        return held

    def tried(self, run: int, running: dict[int, np.ndarray]) -> dict[int, np.ndarray] | None:
        """What runs after this waiting run came in, by itself or in the place of others; None if it cannot."""
        others = sorted(running)
        rows = [
            (at, host, running[other][host]) for at, other in enumerate(others) for host in running[other].nonzero()[0]
        ]
        victim, host, gpus = np.array(rows, np.int64).reshape(-1, 3).T
        allowed = self.claims.preemptible_by(self.claims.row(run))[others]
        candidates = candidates_of(
            [f"r{other:03}" for other in others], np.ones(len(others)), allowed, victim, host, gpus[None, :]
        )
        want = self.wants[run]
        found = victims(self.tree, self.free(running), want, candidates, lambda ids: True)
        if found is None:
            return None
        left = {other: held for other, held in running.items() if f"r{other:03}" not in found.ids}
        held = self.placed(run, left)
        assert held is not None, "someone was sent away for a run that then does not start"
        return {**left, run: held}


@st.composite
def towns(draw: st.DrawFn, queues: int = 3) -> Town:
    """Two to five hosts in leaves, up to nine runs that want more than there is."""
    hosts = draw(st.integers(2, 5))
    tree = tree_of([(f"leaf-{host // 2}",) for host in range(hosts)], [f"host-{host}" for host in range(hosts)])
    count = draw(st.integers(2, 9))
    wants, amounts = [], []
    for _ in range(count):
        nodes, gpus = draw(st.integers(1, 3)), draw(st.sampled_from([1, 2, 4, 8]))
        level = draw(st.sampled_from([0, 1]))
        wants.append(Want(nodes=nodes, demand=np.array([gpus]), usable=np.ones(hosts, np.bool_), highest_level=level))
        amounts.append(nodes * gpus)
    queue = np.array(draw(st.lists(st.integers(0, queues - 1), min_size=count, max_size=count)), np.int64)
    priority = np.array(draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)), np.int64)
    level = np.array(draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)), np.float64)
    rank = np.argsort(np.lexsort((level, -priority)))
    entitled = np.array([[hosts * GPUS // queues]] * queues)
    within = within_entitlement(queue, np.array(amounts)[:, None], rank, entitled)
    claims = Claims(queue=queue, entitled=within, priority=priority, level=level)
    return Town(tree=tree, wants=tuple(wants), claims=claims)


def next_states(town: Town, running: dict[int, np.ndarray]) -> list[dict[int, np.ndarray]]:
    """What may run after one waiting run came in, for each that can."""
    waiting = [run for run in range(len(town.wants)) if run not in running]
    return [after for run in waiting if (after := town.tried(run, running)) is not None]


def test_no_way_leads_back_where_large_runs_borrow_and_small_ones_reclaim() -> None:
    """Two queues of four GPUs each: 6 + 2 + 2 and 5 + 4 GPUs, the large ones of high priority; every way is walked."""
    sizes, queue, priority = [6, 2, 2, 5, 4], np.array([0, 0, 0, 1, 1]), np.array([9, 5, 5, 9, 5])
    tree = tree_of([()], ["host"])
    wants = [Want(nodes=1, demand=np.array([gpus]), usable=np.ones(1, np.bool_)) for gpus in sizes]
    within = within_entitlement(queue, np.array(sizes)[:, None], np.arange(5), np.array([[4], [4]]))
    claims = Claims(queue=queue, entitled=within, priority=priority, level=np.zeros(5))
    town = Town(tree=tree, wants=tuple(wants), claims=claims)
    ways: dict[frozenset[int], list[frozenset[int]]] = {}
    ahead: list[dict[int, np.ndarray]] = [{}]
    while ahead:
        running = ahead.pop()
        if frozenset(running) not in ways:
            found = next_states(town, running)
            ways[frozenset(running)] = [frozenset(after) for after in found]
            ahead += found
    TopologicalSorter(ways).prepare()  # raises CycleError
    assert [state for state, after in ways.items() if not after] == [frozenset({1, 2, 4})]


@given(towns(), st.randoms(use_true_random=False))
def test_preempting_in_any_order_never_comes_back_to_a_state(town: Town, rng) -> None:  # type: ignore[no-untyped-def]
    """Waiting runs are tried at random until none can come in: no set of running runs is seen twice."""
    running: dict[int, np.ndarray] = {}
    seen = {frozenset(running)}
    while True:
        steps = next_states(town, running)
        if not steps:
            return
        running = rng.choice(steps)
        assert frozenset(running) not in seen
        seen.add(frozenset(running))


@given(towns(queues=1), st.data())
def test_one_pass_in_line_settles_a_queue(town: Town, data: st.DataObject) -> None:
    """Whatever runs at first, each waiting run is tried once, nobody who came in goes again, and then nobody can."""
    running: dict[int, np.ndarray] = {}
    for run in data.draw(st.permutations(range(len(town.wants)))):
        held = town.placed(run, running)
        if held is not None and data.draw(st.booleans()):
            running[run] = held
    came = set[int]()
    for run in town.claims.line().tolist():
        after = None if run in running else town.tried(run, running)
        if after is not None:
            assert came <= set(after)
            came.add(run)
            running = after
    assert all(town.tried(run, running) is None for run in range(len(town.wants)) if run not in running)
