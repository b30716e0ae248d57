"""The thread between sampler and drivers: late answers, broken drivers, hosts without devices."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_aicci.agent.devices.reader import Reader, find_reader

WAIT_S = 20.0


class Driver:
    """A driver that answers when the test lets it."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.reads = 0

    def read(self, *, slow: bool) -> dict[str, dict[str, float]]:
        self.gate.wait(WAIT_S)
        self.reads += 1
        return {"0": {"util": float(self.reads)}}


def until(what: Callable[[], Any]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not what():
        assert time.monotonic() < deadline_s
        time.sleep(0.002)


def test_an_answer_belongs_to_its_question() -> None:
    """One that comes too late is dropped: it would be told under a later time."""
    driver = Driver()
    reader = Reader([lambda note: driver])
    reader.ask(slow=False)
    assert reader.answer(WAIT_S) == {"0": {"util": 1.0}}
    driver.gate.clear()
    reader.ask(slow=False)
    assert reader.answer(0.02) == {}
    reader.ask(slow=False)
    driver.gate.set()
    until(lambda: driver.reads == 2)
    assert reader.answer(0.05) == {}
    reader.ask(slow=False)
    assert reader.answer(WAIT_S) == {"0": {"util": 3.0}}


def test_a_driver_that_hangs_costs_a_sample_a_moment_once() -> None:
    """While it hangs, nobody waits for it."""
    driver = Driver()
    driver.gate.clear()
    reader = Reader([lambda note: driver])
    reader.ask(slow=False)
    reader.answer(0.01)
    before_s = time.monotonic()
    for _ in range(10):
        reader.ask(slow=False)
        assert reader.answer(1.0) == {}
    assert time.monotonic() - before_s < 1.0
    driver.gate.set()


def test_a_driver_that_breaks_is_noted_once_and_costs_no_other() -> None:
    """Whatever its library raises."""

    class Broken:
        def read(self, *, slow: bool) -> dict[str, dict[str, float]]:
            raise OSError("gone")

    def cannot(note: object) -> None:
        raise RuntimeError("no driver")

    reader = Reader([lambda note: Broken(), cannot, lambda note: Driver()])
    for _ in range(3):
        reader.ask(slow=False)
        assert reader.answer(WAIT_S).keys() == {"0"}
    assert sorted(text.partition(":")[0] for _, text, _ in reader.notes()) == [
        "Broken is not read any more",
        "accelerators cannot be read",
    ]


@pytest.mark.parametrize("files", [(), ("null", "dri")])
def test_a_host_without_accelerators_has_no_reader(tmp_path: Path, files: tuple[str, ...]) -> None:
    """No thread, no import, no lane."""
    (tmp_path / "dev").mkdir()
    for name in files:
        (tmp_path / "dev" / name).touch()
    assert find_reader({}, str(tmp_path)) is None


def test_a_run_without_devices_reads_none_of_the_hosts(tmp_path: Path) -> None:
    """The empty CUDA_VISIBLE_DEVICES of a CPU shape hides the devices of every maker."""
    (tmp_path / "dev").mkdir()
    for name in ("nvidiactl", "davinci_manager", "kfd"):
        (tmp_path / "dev" / name).touch()
    assert find_reader({"CUDA_VISIBLE_DEVICES": ""}, str(tmp_path)) is None
