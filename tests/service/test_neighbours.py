"""Two users' services on one host: nobody gets what the other holds, turns go by who has had less, and both are told why and when.

The services share a host of four CPUs and a board in memory; what the real board does with files and processes is in
tests/store/test_board.py, two real users in tests/service/test_two_users.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from service_builders import Scripted, a_desk, close, submit, turn

from jupyter_aicci.agent.checkpoints import write_state
from jupyter_aicci.model.events import PreemptRequested
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.run import Run
from jupyter_aicci.service import neighbours
from jupyter_aicci.service.desk import Desk
from jupyter_aicci.store.board import Board
from jupyter_aicci.store.clock import boot_ns
from jupyter_aicci.store.config import Scheduling
from jupyter_aicci.store.notices import Notice
from jupyter_aicci.store.paths import Home


@dataclass
class Shared:
    """What all boards of the test's host show."""

    notices: dict[str, Notice] = field(default_factory=dict)
    told: int = 0
    busy: bool = False
    full: bool = False  # nothing can be written


class InMemory(Board):
    """The board of one user."""

    def __init__(self, shared: Shared, user: str) -> None:
        self._shared, self._user = shared, user

    def others(self) -> tuple[Notice, ...]:
        return tuple(notice for user, notice in sorted(self._shared.notices.items()) if user != self._user)

    def tell(self, notice: Notice) -> bool:
        if self._shared.full:
            return False
        self._shared.notices[self._user] = replace(notice, user=self._user, source=self._user)
        self._shared.told += 1
        return True

    def stands(self) -> bool:
        return self._user in self._shared.notices

    def leave(self) -> None:
        self._shared.notices.pop(self._user, None)

    @contextlib.contextmanager
    def turn(self) -> Iterator[bool]:
        yield not self._shared.busy


@dataclass
class User:
    """One user's service, and what he does with it."""

    name: str
    desk: Desk
    engine: Scripted
    number: int = 0

    def sends(self, shape: str = "cpux2", **spec: object) -> Run:
        self.number += 1
        run_id = f"r{self.name[0]}{self.number:06d}"
        run = submit(self.desk, run_id, owner=self.name, shape=shape, **spec)
        turn(self.desk)
        return self.now(run)

    def now(self, run: Run) -> Run:
        return self.desk.runs[run.id]

    def runs(self, run: Run) -> bool:
        return self.now(run).holds_nodes

    def told(self, run: Run) -> dict[str, object]:
        return dict(self.desk.runs.told(self.now(run)))

    def begins(self, run: Run) -> None:
        """All ranks of the run have started."""
        for node in range(len(self.now(run).attempts[-1].placement.nodes)):
            self.engine.say(self.now(run), node, k="started", rank=node, pid=1)
        turn(self.desk)

    def ends(self, run: Run) -> None:
        run = self.now(run)
        for node in range(len(run.attempts[-1].placement.nodes)):
            self.engine.say_exit(run, node, node)
            self.engine.say(run, node, k="done", leftover=0)
        turn(self.desk)


@pytest.fixture
def shared() -> Shared:
    return Shared()


@pytest.fixture
def user(tmp_path: Path, shared: Shared) -> Iterator[Callable[..., User]]:
    """`user("alice", policy, cpus=4, **queues)`."""
    desks: list[Desk] = []

    def make(name: str, policy: str = "", *, cpus: int = 4, **queues: object) -> User:
        home, engine = Home(root=tmp_path / name, runtime=tmp_path / f"{name}-runtime"), Scripted(cpus=cpus)
        scheduling = Scheduling(tables=queues, policy=policy, source="config.toml")
        desks.append(a_desk(engine, home, scheduling, InMemory(shared, name)))
        return User(name, desks[-1], engine)

    yield make
    for desk in desks:
        close(desk)


@pytest.fixture
def alice(user: Callable[..., User]) -> User:
    return user("alice")


@pytest.fixture
def bob(user: Callable[..., User]) -> User:
    return user("bob")


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch, alice: User, bob: User) -> Callable[[float], None]:
    """`later(seconds)`: the clocks of both services are on by that much."""

    passed_ns = 0

    def on(seconds: float) -> None:
        nonlocal passed_ns
        passed_ns += int(seconds * 1e9)

    for each in (alice, bob):
        monkeypatch.setattr(each.desk.runs.clock, "_monotonic_ns", lambda: boot_ns() + passed_ns)

    return on


def slots(run: Run) -> set[int]:
    return {cpu for node in run.attempts[-1].placement.nodes for cpu in node.cpus}


def test_nobody_gets_what_the_other_holds(alice: User, bob: User) -> None:
    first, second, third = alice.sends(), bob.sends(), alice.sends()
    assert (alice.runs(first), bob.runs(second), alice.runs(third)) == (True, True, False)
    assert slots(first).isdisjoint(slots(second))


def test_who_waits_for_another_user_is_told_for_whom_and_until_when(alice: User, bob: User) -> None:
    alice.sends(nodes=2, time_limit="10m")
    waiting = bob.sends()
    told, now_ns = bob.told(waiting), bob.desk.runs.clock.now_ns()
    assert told["why"] == "behind"
    assert "the rest is held by 1 running run" in str(told["waiting"])
    assert str(told["waiting"]).endswith("; alice has 1 running run and 0 waiting on this host")
    latest_ns = told["latest_ns"]
    assert isinstance(latest_ns, int)
    assert 600e9 < latest_ns - now_ns < 700e9


def test_the_place_in_line_counts_the_others(alice: User, bob: User) -> None:
    alice.sends(nodes=2)
    alice_waits, bob_waits = alice.sends(nodes=2), bob.sends(nodes=2)
    turn(alice.desk)
    assert bob.told(bob_waits)["place"] == 1  # he has had nothing yet
    alice.desk.loop.line.decide()
    assert alice.told(alice_waits)["place"] == 2


def test_a_run_starts_when_the_other_users_run_has_ended(
    alice: User, bob: User, later: Callable[[float], None]
) -> None:
    """Nothing tells the waiting service but the board, which it looks at four times a second."""
    first = alice.sends(nodes=2)
    waiting = bob.sends()
    alice.ends(first)
    later(neighbours.LOOK_S)
    turn(bob.desk)
    assert bob.runs(waiting)


def test_the_loop_wakes_for_the_board_only_while_a_run_waits_and_others_are_there(alice: User, bob: User) -> None:
    run = alice.sends(nodes=2)
    alice.ends(run)
    assert bob.desk.loop.line.look_ns() == 0
    alice.sends(nodes=2)
    bob.sends()
    assert bob.desk.loop.line.look_ns() > 0
    assert bob.desk.loop._pause_s() == pytest.approx(neighbours.LOOK_S, abs=0.2)


@pytest.mark.parametrize("priority", [0, 9])
def test_who_has_had_less_has_the_next_turn(
    alice: User, bob: User, later: Callable[[float], None], priority: int
) -> None:
    """Alice has had the host for an hour and has sent another run before Bob sent his; no priority of hers helps it."""
    first = alice.sends(nodes=2)
    again = alice.sends(nodes=2, priority=priority)
    waiting = bob.sends(nodes=2)
    later(3600)
    turn(alice.desk)
    turn(bob.desk)
    alice.ends(first)
    turn(alice.desk)
    assert not alice.runs(again)
    later(neighbours.LOOK_S)
    turn(bob.desk)
    assert bob.runs(waiting)


def test_a_service_whose_last_run_was_stopped_while_it_waited_sleeps(
    alice: User, bob: User, later: Callable[[float], None]
) -> None:
    """Nothing of the line that it stood in keeps the loop awake."""
    alice.sends(nodes=2)
    run = bob.sends()
    bob.desk.stop(bob.now(run), {})
    turn(bob.desk)
    assert bob.now(run).ended
    later(100)
    turn(bob.desk)
    assert bob.desk.loop.pause_s is None


def test_who_does_not_take_his_turn_is_passed_over(alice: User, bob: User, later: Callable[[float], None]) -> None:
    """Bob's service hangs: room is left for it for some seconds, and again a minute later."""
    first = alice.sends(nodes=2)
    again = alice.sends(nodes=2)
    bob.sends(nodes=2)
    later(3600)
    turn(alice.desk)
    alice.ends(first)
    later(neighbours.LEAVE_S - 1)
    turn(alice.desk)
    assert not alice.runs(again)
    later(1.1)
    turn(alice.desk)
    assert alice.runs(again)


def test_a_service_is_passed_over_with_all_its_runs(alice: User, bob: User, later: Callable[[float], None]) -> None:
    """However many of them wait: their turns are not taken one after the other."""
    first = alice.sends(nodes=2)
    again = alice.sends(nodes=2)
    for _ in range(15):
        bob.sends(nodes=2)
    later(3600)
    turn(alice.desk)
    alice.ends(first)
    for _ in range(6):
        later(1)
        turn(alice.desk)
    assert alice.runs(again)


def test_who_waits_in_a_part_of_his_own_leaves_the_rest_to_others(user: Callable[..., User], shared: Shared) -> None:
    bob, alice = user("bob", cpus=2), user("alice", cpus=4)
    bob.sends("cpux2")
    bob.sends("cpux2")
    shared.notices["bob"] = replace(shared.notices["bob"], part_cpus=(0, 1))
    assert alice.runs(alice.sends("cpux2"))


def test_a_look_at_the_shapes_swallows_no_news(alice: User, bob: User, later: Callable[[float], None]) -> None:
    first = alice.sends(nodes=2)
    waiting = bob.sends()
    alice.ends(first)
    bob.desk.shapes()
    later(neighbours.LOOK_S)
    turn(bob.desk)
    assert bob.runs(waiting)


def test_two_who_wait_do_not_wake_each_other(
    user: Callable[..., User], alice: User, bob: User, later: Callable[[float], None], shared: Shared
) -> None:
    """What moves all the time is no news."""
    carol = user("carol")
    carol.sends(nodes=2)
    alice.sends()
    bob.sends()
    for each in (alice, bob):
        each.desk.loop.kick()
        turn(each.desk)
    told = shared.told
    for _ in range(10):
        later(neighbours.LOOK_S)
        turn(alice.desk)
        turn(bob.desk)
    assert shared.told - told <= 4


def test_what_could_not_be_told_is_told_as_soon_as_it_can(alice: User, shared: Shared) -> None:
    shared.full = True
    alice.sends()
    assert shared.notices == {}
    shared.full = False
    alice.sends()
    assert len(shared.notices["alice"].held) == 2


def test_what_somebody_cleared_away_is_told_again(
    alice: User, bob: User, shared: Shared, later: Callable[[float], None]
) -> None:
    """Although nothing is decided: the run goes on for hours."""
    alice.sends(nodes=2)
    del shared.notices["alice"]
    later(neighbours.KEEP_S)
    turn(alice.desk)
    assert not bob.runs(bob.sends())


def test_room_that_is_left_for_a_neighbour_is_called_so(alice: User, bob: User, later: Callable[[float], None]) -> None:
    first = alice.sends(nodes=2)
    again = alice.sends(nodes=2)
    bob.sends(nodes=2)
    later(3600)
    turn(alice.desk)
    alice.ends(first)
    assert "room is left for rb000001 of bob" in str(alice.told(again)["waiting"])


def test_the_same_run_said_twice_counts_once(alice: User, bob: User, shared: Shared) -> None:
    """Two services of one user, or what one of them says, may name a run twice."""
    alice.sends(nodes=2)
    shared.notices["alice-2"] = replace(shared.notices["alice"], source="alice-2")
    assert not bob.runs(bob.sends())


@pytest.mark.parametrize("bob_waits", [False, True])
def test_a_run_gives_its_place_away_only_where_no_neighbour_could_get_it(
    user: Callable[..., User], bob_waits: bool
) -> None:
    alice, bob = user("alice", "priority"), user("bob")
    run = alice.sends(nodes=2)
    alice.begins(run)
    write_state(alice.desk.home.ckpt_dir(run.id), 7, None, {}, 7)
    if bob_waits:
        bob.sends(nodes=2)
    alice.sends(nodes=2, priority=5)
    rows = [event for _, event in alice.desk.runs.journal.rows(run.id)]
    assert any(isinstance(event, PreemptRequested) for event in rows) != bob_waits


def test_queues_limit_ones_own_runs_only(user: Callable[..., User]) -> None:
    alice = user("alice")
    bob = user("bob", default={"limit": {"cpu": 2}}, other={"guarantee": {"cpu": 1}})
    alice.sends()
    mine, more = bob.sends(), bob.sends("cpux1")
    assert (bob.runs(mine), bob.runs(more)) == (True, False)
    assert bob.told(more)["why"] == "quota"


def test_a_run_that_a_quota_holds_back_takes_no_turn(user: Callable[..., User], shared: Shared) -> None:
    """The others are told of runs that lack room, of no others."""
    bob = user("bob", default={"limit": {"cpu": 2}})
    bob.sends()
    bob.sends()
    turn(bob.desk)
    assert (len(shared.notices["bob"].held), shared.notices["bob"].wants) == (1, ())


def test_a_neighbours_part_of_the_host_is_no_room_of_ours(user: Callable[..., User]) -> None:
    """Slots are known by number: what lies outside ours takes nothing of ours."""
    alice, bob = user("alice", cpus=4), user("bob", cpus=2)
    alice.sends("cpux2")  # CPUs 0 and 1, which are both of Bob's
    alice.sends("cpux2")
    assert not bob.runs(bob.sends("cpux1"))


def test_while_another_service_decides_nobody_does(alice: User, shared: Shared) -> None:
    shared.busy = True
    run = alice.sends()
    assert not alice.runs(run)
    shared.busy = False
    alice.desk.loop.kick()
    turn(alice.desk)
    assert alice.runs(run)


def test_what_is_free_counts_the_others(alice: User, bob: User) -> None:
    alice.sends()
    free = {shape["name"]: (shape["free"], shape["total"]) for shape in bob.desk.shapes()}
    assert free["cpux2"] == (1, 2)


def test_a_forecast_sees_the_others(alice: User, bob: User) -> None:
    alice.sends(nodes=2, time_limit="10m")
    told = bob.desk.forecasts.one({"spec": {"shape": "cpux2", "source": "cell.py"}}, "bob")
    assert (told["starts"], told["why"]) == ("later", "behind")
    assert "alice has 1 running run" in told["reason"]


def test_a_service_that_ends_leaves_what_its_runs_hold(user: Callable[..., User], shared: Shared) -> None:
    alice, bob = user("alice"), user("bob")
    alice.sends()
    run = bob.sends()
    bob.ends(run)
    turn(bob.desk)
    alice.desk.loop.close()
    bob.desk.loop.close()
    assert list(shared.notices) == ["alice"]


def test_the_others_run_ids_are_nobodys_to_act_on(alice: User, bob: User) -> None:
    alice.sends(nodes=2)
    alice.sends(nodes=2)
    bob.sends(nodes=2)
    assert [row["id"] for row in bob.desk.forecasts.line()] == [RunId("rb000001")]
    assert [row["id"] for row in alice.desk.forecasts.line()] == [RunId("ra000002")]
