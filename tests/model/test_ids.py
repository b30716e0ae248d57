"""Ids are drawn by the client, and any unmistakable part of one names the run."""

from __future__ import annotations

import random

import pytest

from jupyter_aicci.model.errors import NotFoundError, UserError, error_from_json
from jupyter_aicci.model.ids import RUN_ID, RunId, new_run_id, resolve

RUNS = [(RunId("r7f3c0ab"), "digits"), (RunId("r7f9zzzz"), ""), (RunId("r0000001"), "digits")]


def test_ids_are_short_and_speakable() -> None:
    """`r` and seven digits without i, l, o, u."""
    below = random.Random(1).randrange
    assert all(RUN_ID.fullmatch(new_run_id(below)) for _ in range(200))


@pytest.mark.parametrize(("ref", "run_id"), [("r7f3c0ab", "r7f3c0ab"), ("digits", "r7f3c0ab"), ("r0", "r0000001")])
def test_a_run_is_named_by_id_name_or_prefix(ref: str, run_id: str) -> None:
    """A name means the newest run of that name."""
    assert resolve(ref, RUNS) == run_id


def test_an_ambiguous_or_unknown_name_says_what_there_is() -> None:
    """The error can be acted on."""
    with pytest.raises(UserError, match="start of 2 ids: r7f3c0ab, r7f9zzzz"):
        resolve("r7f", RUNS)
    with pytest.raises(NotFoundError, match="did you mean digits"):
        resolve("digit", RUNS)
    with pytest.raises(NotFoundError):
        resolve("", RUNS)


def test_errors_cross_the_wire_whole() -> None:
    """Status and body give the same class with the same words back."""
    error = NotFoundError("unknown_run", "run 'x' is not here.", hint="`aicci ps`", field="run")
    back = error_from_json(error.to_json(), error.status)
    assert (type(back), back.code, str(back), back.field) == (NotFoundError, "unknown_run", str(error), "run")
