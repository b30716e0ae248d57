"""Who may start, whose turn it is, who may take a place back: in examples, and as a game of many random runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_aicci.scheduler.queue_tree import QuotaKind, Tree, Vector, tree_of
from jupyter_aicci.scheduler.queues import Amounts, Queue, Queues, amounts
from jupyter_aicci.scheduler.standing import Standing

CAPACITY = amounts(h100=64, cpu=768, memory=8 * 10**12)


def a_tree(*queues: Queue, capacity: Amounts = CAPACITY) -> Tree:
    return tree_of(Queues(queues=queues), capacity)


def gpus(tree: Tree, count: float) -> Vector:
    """A run with that many accelerators, and its part of CPUs and memory."""
    return tree.vector(amounts(h100=count, cpu=12 * count, memory=count * 125 * 10**9))


def a_standing(
    tree: Tree,
    used: Mapping[str, float],
    waiting: Mapping[str, float],
    recent: Mapping[tuple[str, str], float] | None = None,
) -> Standing:
    """Accelerators used by user "u", and waited for, by queue."""
    return Standing(
        tree,
        used={(queue, "u"): gpus(tree, count) for queue, count in used.items()},
        waiting={queue: gpus(tree, count) for queue, count in waiting.items()},
        recent=recent,
    )


def in_turn(standing: Standing, tree: Tree, runs: Mapping[str, float]) -> list[str]:
    """Queues in the order in which their runs of that size go."""
    return sorted(runs, key=lambda queue: standing.queue_order_key(queue, gpus(tree, runs[queue])))


# ---- may it start ----


def test_one_queue_without_limits_asks_nothing() -> None:
    """A laptop's queue: every run may start, no order of queues, nobody to take from."""
    tree = a_tree(Queue(name="default"))
    standing = a_standing(tree, {"default": 60}, {"default": 900})

    assert tree.plain
    assert standing.may_start("default", "u", gpus(tree, 900)) is None
    assert standing.queue_order_key("default", gpus(tree, 900)) == ()
    assert not standing.may_reclaim("default", gpus(tree, 1), "default", gpus(tree, 1))


def test_a_limit_holds_a_run_back_and_says_so() -> None:
    """The text a person reads on the run's card."""
    tree = a_tree(Queue(name="research", limit=amounts(h100=16)))
    standing = a_standing(tree, {"research": 16}, {"research": 8})

    quota = standing.may_start("research", "u", gpus(tree, 8))

    assert quota is not None
    assert (quota.kind, quota.queue, quota.resource) == (QuotaKind.LIMIT, "research", "h100")
    assert quota.text == "queue research uses 16 of its limit of 16 h100"
    standing.give("research", "u", gpus(tree, 4))
    assert standing.may_start("research", "u", gpus(tree, 4)) is None
    quota = standing.may_start("research", "u", gpus(tree, 8))
    assert quota is not None
    assert quota.text == "queue research uses 12 of its limit of 16 h100; this run asks for 8"


def test_the_limit_of_a_branch_holds_all_under_it() -> None:
    """Two queues share one limit."""
    tree = a_tree(
        Queue(name="lab", limit=amounts(h100=16)), Queue(name="x", parent="lab"), Queue(name="y", parent="lab")
    )
    standing = a_standing(tree, {"x": 12}, {"y": 8})

    quota = standing.may_start("y", "u", gpus(tree, 8))

    assert quota is not None
    assert quota.text == "queue lab uses 12 of its limit of 16 h100; this run asks for 8"
    assert standing.may_start("y", "u", gpus(tree, 4)) is None


def test_accelerator_limits_all_kinds_together() -> None:
    """8 accelerators of any kind; CPUs and memory have words of their own."""
    tree = a_tree(
        Queue(name="a", limit=amounts(accelerator=8)), Queue(name="b", limit=amounts(memory=10**12)),
        capacity=amounts(h100=64, a100=64, cpu=768, memory=8 * 10**12),
    )  # fmt: skip
    standing = Standing(tree, used={("a", "u"): tree.vector(amounts(h100=6))}, waiting={})

    refused = standing.may_start("a", "u", tree.vector(amounts(a100=4)))
    memory = standing.may_start("b", "u", tree.vector(amounts(memory=2 * 10**12)))

    assert refused is not None
    assert memory is not None
    assert refused.text == "queue a uses 6 of its limit of 8 accelerators; this run asks for 4"
    assert memory.text == "queue b uses 0 B of its limit of 1.0 TB of memory; this run asks for 2.0 TB"


def test_a_run_above_the_limit_can_never_start() -> None:
    """Told at submission, whatever runs."""
    tree = a_tree(Queue(name="lab", limit=amounts(h100=16)), Queue(name="x", parent="lab"))

    quota = tree.too_large("x", gpus(tree, 32))

    assert tree.too_large("x", gpus(tree, 16)) is None
    assert quota is not None
    assert quota.text == "this run asks for 32 h100, and the limit of queue lab is 16"


def test_what_is_guaranteed_to_a_queue_that_waits_is_kept_for_it() -> None:
    """A gang of prod waits for 16 places; nobody else gets the 12 that are free."""
    tree = a_tree(Queue(name="prod", guarantee=amounts(h100=16)), Queue(name="lab"))
    standing = a_standing(tree, {"lab": 52}, {"prod": 16, "lab": 40})

    quota = standing.may_start("lab", "u", gpus(tree, 4))

    assert quota is not None
    assert quota.kind is QuotaKind.GUARANTEE
    assert quota.text == "16 h100 are kept for queue prod, which uses 0 of its guarantee of 16"
    assert standing.may_start("prod", "u", gpus(tree, 12)) is None


def test_a_gang_larger_than_its_guarantee_is_not_held_back_by_it() -> None:
    """What is kept for a queue is kept from the others only."""
    tree = a_tree(Queue(name="prod", guarantee=amounts(h100=8)), Queue(name="lab"))
    standing = a_standing(tree, {"lab": 48}, {"prod": 16})

    assert standing.may_start("prod", "u", gpus(tree, 16)) is None


def test_a_guarantee_that_nobody_asks_for_is_lent() -> None:
    """An idle guarantee idles no accelerator."""
    tree = a_tree(Queue(name="prod", guarantee=amounts(h100=16)), Queue(name="lab"))
    standing = a_standing(tree, {}, {"lab": 64})

    assert standing.may_start("lab", "u", gpus(tree, 64)) is None


def test_a_guarantee_of_one_kind_keeps_no_other() -> None:
    """h100 kept for prod; the a100 are free for all."""
    tree = a_tree(
        Queue(name="prod", guarantee=amounts(h100=8)), Queue(name="lab"),
        capacity=amounts(h100=8, a100=8, cpu=768, memory=8 * 10**12),
    )  # fmt: skip
    waiting = {"prod": tree.vector(amounts(h100=8)), "lab": tree.vector(amounts(a100=8))}
    standing = Standing(tree, used={("lab", "u"): tree.vector(amounts(h100=4))}, waiting=waiting)

    assert standing.may_start("lab", "u", tree.vector(amounts(a100=8))) is None
    assert standing.may_start("lab", "u", tree.vector(amounts(h100=1))) is not None


# ---- whose turn is it ----


def test_a_run_within_the_guarantee_goes_before_all() -> None:
    """Then who is within what it is entitled to, then who borrows."""
    tree = a_tree(
        Queue(name="prod", guarantee=amounts(h100=8)), Queue(name="a", weight=3.0), Queue(name="b", priority=5)
    )
    standing = a_standing(tree, {"a": 30, "b": 4}, {"prod": 8, "a": 60, "b": 30})

    assert in_turn(standing, tree, {"a": 20, "b": 8, "prod": 8}) == ["prod", "b", "a"]


def test_who_is_furthest_below_his_share_goes_first() -> None:
    """Share of the portion: 20 of 42.7 is less than 12 of 21.3."""
    tree = a_tree(Queue(name="a", weight=2.0), Queue(name="b"))
    standing = a_standing(tree, {"a": 20, "b": 12}, {"a": 40, "b": 40})

    assert in_turn(standing, tree, {"a": 1, "b": 1}) == ["a", "b"]


def test_past_use_counts() -> None:
    """Both use nothing now; who used the cluster yesterday waits."""
    tree = a_tree(Queue(name="a"), Queue(name="b"))
    standing = a_standing(tree, {}, {"a": 64, "b": 64}, recent={("a", "u"): 0.3})

    assert in_turn(standing, tree, {"a": 8, "b": 8}) == ["b", "a"]


def test_branches_are_compared_before_the_queues_in_them() -> None:
    """The idle queue of a busy branch waits for the busy queue of an idle branch."""
    tree = a_tree(
        Queue(name="p"), Queue(name="q"), Queue(name="p1", parent="p"), Queue(name="p2", parent="p"),
        Queue(name="q1", parent="q"),
    )  # fmt: skip
    standing = a_standing(tree, {"p1": 16, "q1": 8}, {"p1": 30, "p2": 30, "q1": 30})

    assert in_turn(standing, tree, {"p1": 1, "p2": 1, "q1": 1}) == ["q1", "p2", "p1"]


def test_users_of_one_queue_take_turns_by_share() -> None:
    """Equal by default, by weight where the queue says so, past use counted; also in the only queue."""
    tree = a_tree(Queue(name="default", users=(("ann", 3.0),)))
    used = {("default", "ann"): gpus(tree, 24), ("default", "bob"): gpus(tree, 16)}
    standing = Standing(tree, used=used, waiting={}, recent={("default", "eve"): 0.125})

    turns = sorted(["bob", "eve", "ann", "new"], key=lambda user: standing.user_order_key("default", user))
    standing.take("default", "new", gpus(tree, 64))

    assert turns == ["new", "ann", "eve", "bob"]
    assert standing.user_order_key("default", "new")[0] == 1.0


# ---- may it take a place back ----


def test_what_is_borrowed_is_given_back_and_no_more() -> None:
    """64 shared by two equal queues: b comes, takes 32 back and no 33rd; a takes none of them again."""
    tree = a_tree(Queue(name="a"), Queue(name="b"))
    standing = a_standing(tree, {"a": 64}, {"b": 64, "a": 8})

    for _ in range(4):
        assert standing.may_reclaim("b", gpus(tree, 8), "a", gpus(tree, 8))
        standing.give("a", "u", gpus(tree, 8))
        standing.take("b", "u", gpus(tree, 8))

    assert not standing.may_reclaim("b", gpus(tree, 8), "a", gpus(tree, 8))
    assert not standing.may_reclaim("a", gpus(tree, 8), "b", gpus(tree, 8))


def test_a_guarantee_is_never_broken_for_a_share() -> None:
    """b is entitled to 33 and guaranteed nothing; a without its gang of 40, or two thirds of it, would fall below 24."""
    tree = a_tree(Queue(name="a", guarantee=amounts(h100=24)), Queue(name="b", weight=5.0))
    standing = a_standing(tree, {"a": 40, "b": 24}, {"b": 40})

    assert standing.entitled_to("b")[0] == pytest.approx(33_333, abs=1)
    assert not standing.may_reclaim("b", gpus(tree, 8), "a", gpus(tree, 40))
    assert standing.may_reclaim("b", gpus(tree, 8), "a", gpus(tree, 16))


def test_the_guarantee_of_a_branch_is_never_broken_for_a_share() -> None:
    """The same for a queue that is guaranteed nothing itself, but lies in a branch that is."""
    tree = a_tree(
        Queue(name="lab", guarantee=amounts(h100=24)), Queue(name="a", parent="lab"), Queue(name="b", weight=5.0)
    )
    standing = a_standing(tree, {"a": 40, "b": 24}, {"b": 40})

    assert not standing.may_reclaim("b", gpus(tree, 8), "a", gpus(tree, 40))
    assert standing.may_reclaim("b", gpus(tree, 8), "a", gpus(tree, 16))


def test_a_gang_that_borrowed_gives_way_to_a_guarantee_as_a_whole() -> None:
    """Both are guaranteed 32; one gang of 64 cannot hold the other's half for ever."""
    tree = a_tree(Queue(name="a", guarantee=amounts(h100=32)), Queue(name="b", guarantee=amounts(h100=32)))
    standing = a_standing(tree, {"a": 64}, {"b": 8})

    assert standing.may_reclaim("b", gpus(tree, 8), "a", gpus(tree, 64))


def test_only_the_queue_that_borrowed_in_a_branch_gives_back() -> None:
    """p is above its share because of p1; p2 keeps what it has."""
    tree = a_tree(
        Queue(name="p"), Queue(name="q"), Queue(name="p1", parent="p"), Queue(name="p2", parent="p"),
    )  # fmt: skip
    standing = a_standing(tree, {"p1": 48, "p2": 16}, {"q": 32})

    assert standing.may_reclaim("q", gpus(tree, 8), "p1", gpus(tree, 8))
    assert not standing.may_reclaim("q", gpus(tree, 8), "p2", gpus(tree, 8))


def test_accelerators_that_are_guaranteed_bring_their_cpus() -> None:
    """CPU runs of a heavier queue fill the cluster; 8 guaranteed h100 are worth nothing without 96 CPUs."""
    tree = a_tree(Queue(name="prod", weight=0.01, guarantee=amounts(h100=8)), Queue(name="cpu", weight=100.0))
    asks, holds = gpus(tree, 8), tree.vector(amounts(cpu=96))
    standing = Standing(
        tree, used={("cpu", "u"): tree.vector(amounts(cpu=768))}, waiting={"prod": asks, "cpu": tree.vector(amounts(cpu=500))}
    )  # fmt: skip

    assert standing.may_reclaim("prod", asks, "cpu", holds)
    standing.give("cpu", "u", holds)
    standing.take("prod", "u", asks)
    assert not standing.may_reclaim("cpu", holds, "prod", asks)


def test_runs_of_a_queue_that_is_gone_hold_room_and_give_way() -> None:
    """The queue was taken out of the configuration while its run was running."""
    tree = a_tree(Queue(name="a"), Queue(name="b"))
    standing = a_standing(tree, {"old": 64}, {"a": 8})

    assert standing.may_reclaim("a", gpus(tree, 8), "old", gpus(tree, 64))
    standing.give("old", "u", gpus(tree, 64))
    assert standing.used("a") == gpus(tree, 0)


def test_queues_that_hang_on_nothing_are_refused() -> None:
    """A tree is built of queues that were never parsed."""
    with pytest.raises(ValueError, match="hang on nothing: a, b"):
        a_tree(Queue(name="a", parent="b"), Queue(name="b", parent="a"), Queue(name="c"))


# ---- the game: random queues and runs on one pool of accelerators ----


@dataclass
class Game:
    """Runs (queue, size) on `size` interchangeable accelerators; who may do what is asked of `Standing` alone."""

    tree: Tree
    runs: list[tuple[str, int]]
    size: int
    running: list[int]
    waiting: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.waiting = [run for run in range(len(self.runs)) if run not in self.running]
        self.standing = self.anew()

    def anew(self) -> Standing:
        """The standing as the next `decide` would build it."""
        return Standing(
            self.tree, used={(q, "u"): v for q, v in self.sums(self.running).items()}, waiting=self.sums(self.waiting)
        )

    def sums(self, runs: Iterable[int]) -> dict[str, Vector]:
        found: dict[str, int] = {}
        for run in runs:
            found[self.runs[run][0]] = found.get(self.runs[run][0], 0) + self.runs[run][1]
        return {queue: self.tree.vector(amounts(h100=count)) for queue, count in found.items()}

    def asks(self, run: int) -> Vector:
        return self.tree.vector(amounts(h100=self.runs[run][1]))

    @property
    def free(self) -> int:
        return self.size - sum(self.runs[run][1] for run in self.running)

    def fits(self, run: int) -> bool:
        return (
            self.runs[run][1] <= self.free and self.standing.may_start(self.runs[run][0], "u", self.asks(run)) is None
        )

    def start(self, run: int) -> None:
        self.standing.take(self.runs[run][0], "u", self.asks(run))
        self.waiting.remove(run)
        self.running.append(run)

    def stop(self, run: int) -> None:
        self.standing.give(self.runs[run][0], "u", self.asks(run))
        self.running.remove(run)
        self.waiting.append(run)

    def reclaims(self, run: int, rng: Random) -> bool:
        """The run comes in for victims in any order, or nothing changes."""
        queue, before = self.runs[run][0], list(self.running)
        for victim in rng.sample(before, len(before)):
            if self.fits(run):
                break
            if self.standing.may_reclaim(queue, self.asks(run), self.runs[victim][0], self.asks(victim)):
                self.stop(victim)
        if self.fits(run):
            self.start(run)
            return True
        for victim in [one for one in before if one not in self.running]:
            self.start(victim)
        self.running = before
        return False

    def turn(self, rng: Random) -> bool:
        """One run starts, whoever's turn it is or (`rng`) anybody's; False if none can."""
        order = sorted(
            self.waiting, key=lambda run: (self.standing.queue_order_key(self.runs[run][0], self.asks(run)), run)
        )
        if rng.random() < 0.5:
            rng.shuffle(order)
        for run in order:
            if self.fits(run):
                self.start(run)
                return True
            if self.reclaims(run, rng):
                return True
        return False

    def used(self, name: str) -> int:
        return sum(self.runs[run][1] for run in self.running if name in self.tree.queues.path(self.runs[run][0]))

    def wanted(self, name: str) -> int:
        return sum(size for queue, size in self.runs if name in self.tree.queues.path(queue))


@st.composite
def games(draw: st.DrawFn, most: int = 16) -> Game:
    """Trees of two levels with claims that fit, runs of 1 to `most`, and some of them running in any which way."""
    size = draw(st.integers(4, 16))
    queues, leaves, left = [], list[str](), size
    for top in range(draw(st.integers(2, 3))):
        kept = draw(st.integers(0, left // 2))
        left -= kept
        deserved, room = draw(st.integers(0, 3)), draw(st.none() | st.integers(0, 6))
        queues.append(
            Queue(
                name=f"t{top}",
                weight=draw(st.sampled_from([0.5, 1.0, 3.0])),
                priority=draw(st.integers(0, 1)),
                guarantee=amounts(h100=kept) if kept else (),
                deserved=amounts(h100=kept + deserved) if deserved else (),
                limit=amounts(h100=kept + deserved + room) if room is not None else (),
            )
        )
        under = [f"t{top}c{child}" for child in range(draw(st.integers(0, 2)))]
        given_on = draw(st.integers(0, kept))
        queues += [
            Queue(name=name, parent=f"t{top}", guarantee=amounts(h100=given_on) if given_on and not at else ())
            for at, name in enumerate(under)
        ]
        leaves += under or [f"t{top}"]
    tree = a_tree(*queues, capacity=amounts(h100=size))
    sizes = st.integers(1, min(most, size))
    runs = draw(st.lists(st.tuples(st.sampled_from(leaves), sizes), min_size=1, max_size=12))
    game = Game(tree=tree, runs=runs, size=size, running=[])
    for run in draw(st.permutations(range(len(runs)))):
        if draw(st.booleans()) and game.fits(run):
            game.start(run)
    game.standing = game.anew()
    return game


def played(game: Game, rng: Random) -> Game:
    """Until nobody can start; at most as many turns as the proof allows for a reclaim each, and far more than needed."""
    for _ in range(20 * len(game.runs)):
        if not game.turn(rng):
            return game
    raise AssertionError("runs take turns for ever")


@given(games(), st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_nobody_takes_turns(game: Game, rng: Random) -> None:
    """No arrivals, no completions: whoever plays in whatever order, the game comes to rest."""
    played(game, rng)


@given(games(), st.randoms(use_true_random=False))
def test_a_run_that_came_in_by_reclaim_stays(game: Game, rng: Random) -> None:
    """As long as nobody borrows in between, no run is thrown out that threw another out."""
    came: set[int] = set()
    while taker := next((run for run in list(game.waiting) if not game.fits(run) and game.reclaims(run, rng)), None):
        came.add(taker)

        assert came <= set(game.running)


@given(games(), st.randoms(use_true_random=False))
def test_limits_are_never_exceeded_on_any_level(game: Game, rng: Random) -> None:
    """After every turn, for every queue and every branch."""
    while True:
        for queue in game.tree.queues.queues:
            limit = dict(queue.limit).get("h100")
            assert limit is None or 1000 * game.used(queue.name) <= limit
        if not game.turn(rng):
            break


@given(games(most=1), st.randoms(use_true_random=False))
def test_guarantees_hold_while_demand_exists(game: Game, rng: Random) -> None:
    """At rest every queue and branch uses its guarantee, or all it wants within the limits (runs of one accelerator)."""
    played(game, rng)

    for queue in game.tree.queues.queues:
        kept = dict(queue.guarantee).get("h100", 0)
        assert 1000 * game.used(queue.name) >= min(kept, 1000 * game.wanted(queue.name))


@given(games(most=1), st.randoms(use_true_random=False))
def test_everybody_has_what_he_is_entitled_to_at_rest(game: Game, rng: Random) -> None:
    """To within one run of one accelerator in each queue that runs wait in, and nothing idles while somebody may use it.

    A branch of two queues that are entitled to half an accelerator more each may lack one: neither may take it back for itself.
    """
    played(game, rng)

    for name in game.tree.names:
        slack = 1000 * len(game.tree.queues.leaves_under(name))
        assert game.standing.used(name)[0] > game.standing.entitled_to(name)[0] - slack
    assert not game.free or all(game.standing.may_start(game.runs[run][0], "u", game.asks(run)) for run in game.waiting)


@given(games(), st.randoms(use_true_random=False))
def test_answers_do_not_depend_on_what_was_tried_before(game: Game, rng: Random) -> None:
    """A standing that took and gave answers as one built anew from what runs."""
    for _ in range(3):
        game.turn(rng)
    anew = game.anew()

    for queue in sorted({queue for queue, _ in game.runs}):
        for count in (1, 3):
            asks = game.tree.vector(amounts(h100=count))
            assert game.standing.may_start(queue, "u", asks) == anew.may_start(queue, "u", asks)
            assert game.standing.queue_order_key(queue, asks) == anew.queue_order_key(queue, asks)
            assert game.standing.entitled_to(queue) == anew.entitled_to(queue)


@given(games(), st.randoms(use_true_random=False))
def test_answers_do_not_depend_on_the_order_of_the_input(game: Game, rng: Random) -> None:
    """Queues, uses and waits shuffled: the same keys."""
    tree, standing = game.tree, game.anew()
    queues = list(tree.queues.queues)
    rng.shuffle(queues)
    used = [((queue, "u"), amount) for queue, amount in game.sums(game.running).items()]
    waiting = list(game.sums(game.waiting).items())
    rng.shuffle(used)
    rng.shuffle(waiting)

    other = Standing(a_tree(*queues, capacity=amounts(h100=game.size)), used=dict(used), waiting=dict(waiting))

    for queue, count in game.runs:
        asks = tree.vector(amounts(h100=count))
        assert other.queue_order_key(queue, asks) == standing.queue_order_key(queue, asks)
        assert other.may_start(queue, "u", asks) == standing.may_start(queue, "u", asks)
