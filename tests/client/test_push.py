"""`--push`: values of the notebook as bytes, and errors that name the part that cannot be sent."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import pytest

from jupyter_aicci.client.push import pickled
from jupyter_aicci.model.errors import UserError


class Settings:
    """A configuration with something in it that lives in this process only."""

    def __init__(self, lock: Any) -> None:
        self.inner = {"rates": [0.1, 0.2], "guard": lock}


def refused(**values: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        pickled(values)
    assert caught.value.code == "unpicklable"
    return caught.value


def test_values_come_back_equal() -> None:
    """Functions and classes of the notebook go by value."""
    scale = 3
    data = pickled({"cfg": {"lr": 0.1, "names": ("a", "b")}, "f": lambda x: x * scale})
    assert pickle.loads(data["cfg"]) == {"lr": 0.1, "names": ("a", "b")}
    assert pickle.loads(data["f"])(4) == 12


def test_the_part_at_fault_is_named() -> None:
    """The variable and the way to the part, not only the outermost type."""
    error = refused(cfg=Settings(threading.Lock()))
    assert "--push cfg" in error.message
    assert "cfg.inner['guard']" in error.message
    assert "lock" in error.message


def test_a_function_names_what_it_closes_over() -> None:
    """A lambda is as good as what it uses."""
    guard = threading.Lock()
    assert "f → guard" in refused(f=lambda: guard).message


def test_every_defect_is_told_at_once() -> None:
    """Two bad variables, two sentences, and good ones are not blamed."""
    error = refused(a=threading.Lock(), b=[threading.Lock()], fine=1)
    assert "--push a" in error.message
    assert "b[0]" in error.message
    assert "fine" not in error.message


def test_a_loop_in_the_value_ends() -> None:
    """A value that contains itself is searched once."""
    knot: dict[str, Any] = {}
    knot["self"], knot["guard"] = knot, threading.Lock()
    assert "knot['guard']" in refused(knot=knot).message
