"""Two people on one host: the runs of one queue on the slots that runs of the other hold."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable

from people import Person, until


def test_the_runs_of_two_users_queue_on_one_host(person: Callable[[str], Person]) -> None:
    """Bob is told for whom he waits and until when; his run starts by itself when hers has ended."""
    alice, bob = person("alice"), person("bob")
    hers = alice.sends("waits", "--time-limit", "10m")
    until(alice, hers, "running")
    his = bob.sends("ok")
    seen = until(bob, his, "queued")
    assert seen["why"] == "behind"
    assert f"{alice.known_as} has 1 running run and 0 waiting on this host" in seen["waiting"]
    assert seen["start_ns"] or seen["latest_ns"]
    alice.flag.touch()
    until(alice, hers, "succeeded")
    until(bob, his, "succeeded")


def test_two_users_who_send_at_once_never_hold_one_slot_together(person: Callable[[str], Person]) -> None:
    """Each of the runs needs all of the host; the bills say who held it when."""
    people = person("alice"), person("bob")
    runs = [(one, one.sends("ok")) for _ in range(3) for one in people]
    spans = []
    for one, run_id in runs:
        (attempt,) = until(one, run_id, "succeeded")["attempts"]
        spans.append((attempt["placed_ns"], attempt["ended_ns"]))
    spans.sort()
    assert all(before <= begins for (_, before), (begins, _) in itertools.pairwise(spans)), spans


def test_a_service_that_was_killed_still_holds_what_its_runs_hold(person: Callable[[str], Person]) -> None:
    alice, bob = person("alice"), person("bob")
    hers = alice.sends("waits")
    until(alice, hers, "running")
    os.kill(alice.service_pid(), signal.SIGKILL)
    his = bob.sends("ok")
    time.sleep(1.0)
    assert until(bob, his, "queued")["why"] == "behind"
    alice.flag.touch()
    until(bob, his, "succeeded")
