"""`--stop-if`: what it understands, what it refuses and where, and that what is not known decides nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.model.condition import NAMES, parse_condition
from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.spec import parse_spec

VALUES = {"useful": 0.4, "waste": 0.5, "cost": 12.0, "step_time": 2.0, "log.loss": 3.5, "log.acc": 0.9}


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ("useful < 50%", True),
        ("useful < 0.4", False),
        ("waste >= 50% and cost > 10", True),
        ("waste > 50% or cost > 10", True),
        ("not waste > 50%", True),
        ("not (waste > 50% or cost > 10)", False),
        ("loss > 3", True),
        ("log.acc >= 90% and loss != 3.6", True),
        ("cost / 2 - 1 == 5", True),
        ("2 + 3 * 2 == 8 and (2 + 3) * 2 == 10", True),
        ("-cost < -11", True),
        ("step_time > 1500ms", True),
        ("step_time > 1m", False),
        ("1 < 2 or log.nothing > 1", True),
        ("1 > 2 and log.nothing > 1", False),
        ("log.nothing > 1", None),
        ("not log.nothing > 1", None),
        ("1 < 2 and log.nothing > 1", None),
        ("cost / 0 > 1", None),
        ("budget_used > 1%", None),
        ("1e3 > 999", True),
    ],
)
def test_a_condition_is_true_false_or_not_known(text: str, true: bool | None) -> None:
    """Precedence is the usual one; a number that is missing decides only where the rest does not."""
    assert parse_condition(text).of(VALUES) is true


@pytest.mark.parametrize(
    ("text", "for_s"), [("waste > 50% for 15m", 900.0), ("waste > 50%", 0.0), ("cost > 1 for 1h30m", 5400.0)]
)
def test_for_says_how_long_it_has_to_be_true(text: str, for_s: float) -> None:
    """At the end, as a duration."""
    condition = parse_condition(text)
    assert (condition.for_s, condition.text) == (for_s, text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "position 1: it ends where a name or a number was expected"),
        ("usefull < 50%", "position 1: unknown name usefull; did you mean useful?"),
        ("cost > 5 and wast > 1", "position 14: unknown name wast; did you mean waste?"),
        ("cost", "it compares nothing"),
        ("cost >", "position 7: it ends where a name or a number was expected"),
        ("cost > > 5", "position 8: expected a name or a number, found >"),
        ("1 < cost < 5", "position 10: two comparisons in a row"),
        ("(cost > 5", "the parenthesis of position 1 is not closed"),
        ("cost > 5)", "position 9: expected and, or, for, or the end, found )"),
        ("cost > 5 cost", "position 10: expected and, or, for, or the end, found cost"),
        ("cost and waste > 1", "position 1: a number stands where a comparison"),
        ("not cost", "a number stands where a comparison"),
        ("(cost > 5) + 1 > 2", "position 1: a comparison stands where a number"),
        ("cost > 5 for", "after `for`, found ''"),
        ("cost > 5 for ever", "expected a duration such as 30s, 90m or 1h30m after `for`, found 'ever'"),
        ("cost > 5 for 1m for 2m", "`for` is there twice"),
        ("cost > 5x", "position 8: unknown unit x"),
        ("cost > $5", "position 8: '$' means nothing here"),
        ("__import__('os') > 1", 'position 12: "\'" means nothing here'),
        ("__import__(os) > 1", "position 1: unknown name __import__"),
        ("cost.real > 1", "position 1: unknown name cost.real"),
        ("log. > 1", "position 1: unknown name log."),
        ("cost = 5", "position 6: '=' means nothing here"),
        ("(" * 30 + "cost > 1" + ")" * 30, "more than 20"),
        ("-" * 30 + "cost > 1", "more than 20"),
        ("cost > 1 or " * 60 + "cost > 2", "expected at most 500"),
    ],
)
def test_what_is_no_condition_is_refused_with_its_place(text: str, told: str) -> None:
    """Where, what was expected, and the nearest name."""
    with pytest.raises(ValueError, match=r"position|expected") as caught:
        parse_condition(text)
    assert told in str(caught.value)


@given(st.text(alphabet="costwaef()<>=!&+-*/. %0123456789andrf\n\t$_", max_size=60))
def test_any_text_is_a_condition_or_a_value_error(text: str) -> None:
    """Nothing else comes out of it, and what was read can be evaluated."""
    try:
        condition = parse_condition(text)
    except ValueError:
        return
    assert condition.of(VALUES) in (True, False, None)
    assert condition.of({}) in (True, False, None)


TREES = st.recursive(
    st.tuples(
        st.sampled_from(sorted(set(NAMES) - {"loss"})), st.sampled_from(["<", ">", "<=", ">="]), st.integers(0, 9)
    ).map(lambda parts: (f"{parts[0]} {parts[1]} {parts[2]}", parts)),
    lambda inner: st.tuples(st.sampled_from(["and", "or"]), inner, inner).map(
        lambda parts: (f"({parts[1][0]} {parts[0]} {parts[2][0]})", parts)
    ),
    max_leaves=8,
)


def by_python(text: str, values: dict[str, float]) -> bool:
    """The same expression as Python has it; only for texts that this test made."""
    return bool(eval(text, {"__builtins__": {}}, values))


@given(TREES, st.fixed_dictionaries({name: st.integers(0, 9).map(float) for name in NAMES}))
def test_what_is_known_is_decided_as_python_does(tree: tuple[str, object], values: dict[str, float]) -> None:
    """Same precedence, same comparisons."""
    assert parse_condition(tree[0]).of(values) is by_python(tree[0], values)


def test_the_names_of_a_condition_are_known_beforehand() -> None:
    """So that only what is asked for is worked out."""
    assert parse_condition("loss > 3 or log.acc < 1% or cost + cost_per_h > 5").names == (
        "cost", "cost_per_h", "log.acc", "log.loss",
    )  # fmt: skip


def test_the_option_is_checked_when_it_is_given() -> None:
    """A run with a condition that means nothing is not submitted."""
    assert parse_spec({"stop_if": "waste > 50% for 15m"}).stop_if == "waste > 50% for 15m"
    with pytest.raises(UserError) as caught:
        parse_spec({"stop_if": "waist > 50%"})
    assert "--stop-if 'waist > 50%': position 1: unknown name waist; did you mean waste?" in caught.value.message
