"""Metrics are asked for apart, and those that a device lacks are left alone for an hour."""

from __future__ import annotations

import pytest

from jupyter_aicci.agent.devices.probe import AGAIN_S, Lost, Probe, Unsupported, wanted


def raising(error: type[Exception], counts: list[int]) -> float:
    counts.append(1)
    raise error


def test_what_is_unsupported_is_asked_again_after_an_hour() -> None:
    """A driver may be changed under a run that lasts for days."""
    now, asked = [0.0], list[int]()
    probe = Probe({"a": lambda: raising(Unsupported, asked), "b": lambda: 2.0}, lambda: now[0])
    assert [probe.read() for _ in range(3)] == [{"b": 2.0}] * 3
    assert len(asked) == 1
    now[0] = AGAIN_S + 1
    probe.read()
    assert len(asked) == 2


def test_a_failure_that_may_pass_is_asked_again_at_once_but_not_for_ever() -> None:
    """Three in a row, then an hour of peace."""
    asked: list[int] = []
    probe = Probe({"a": lambda: raising(ValueError, asked)}, lambda: 0.0)
    for _ in range(10):
        assert probe.read() == {}
    assert len(asked) == 3


def test_a_lost_device_is_told_at_once() -> None:
    """Not as one metric less."""
    with pytest.raises(Lost):
        Probe({"a": lambda: raising(Lost, [])}).read()


def test_a_list_of_devices_is_read_as_cuda_reads_it() -> None:
    """None chooses nothing, an empty list hides all."""
    assert wanted(None) is None
    assert wanted("") == ()
    assert wanted("0, GPU-a,2") == ("0", "GPU-a", "2")
