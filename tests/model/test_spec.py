"""Outside JSON becomes a spec, or one error that lists every defect."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.options import OPTIONS, OptionParser, add_options, parse_known, parse_values
from jupyter_aicci.model.spec import RunSpec, parse_mount, parse_spec, spec_from_json

TEXT = st.text(st.characters(codec="utf-8", exclude_characters=", \n"), min_size=1, max_size=12)
SPECS = st.builds(
    RunSpec,
    shape=st.lists(TEXT.map(str.strip).filter(bool), min_size=1, max_size=3).map(tuple),
    nodes=st.integers(1, 64),
    ranks_per_node=st.integers(0, 16),
    priority=st.integers(0, 100),
    time_limit=st.floats(0, 1e9, allow_nan=False),
    budget=st.integers(0, 10**12),
    retries=st.integers(0, 9),
    grace=st.floats(0, 600),
    name=TEXT,
    argv=st.lists(TEXT, max_size=3).map(tuple),
    cell_first_line=st.integers(1, 500),
    framework=st.sampled_from(["torch", "jax", "plain"]),
)


@given(SPECS)
def test_a_spec_goes_through_json_unchanged(spec: RunSpec) -> None:
    """The journal's copy is the spec; budgets stay the micro-units they are."""
    assert parse_spec(json.loads(json.dumps(spec.to_json()))) == spec


@given(st.dictionaries(st.sampled_from([option.field for option in OPTIONS] + ["argv", "source", "owner"]),
                       st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
                       | st.lists(st.integers(), max_size=2)))  # fmt: skip
def test_any_json_is_a_spec_or_a_user_error(data: dict[str, Any]) -> None:
    """A request never ends in an error of ours, and what is accepted means something."""
    try:
        spec = parse_spec(data)
    except UserError:
        return
    assert spec.nodes >= 1
    assert spec.budget >= 0
    assert 0 <= spec.time_limit < float("inf")
    assert 0 <= spec.grace < float("inf")


def test_every_defect_is_named_at_once() -> None:
    """One round is enough to correct a request."""
    with pytest.raises(UserError) as caught:
        parse_spec({"nodes": "0", "grace": "soon", "shap": "x", "env": ["A"], "engine": "kubernetes", "retries": "-1",
                    "pull": "a.b"})  # fmt: skip
    for part in (
        "--nodes 0",
        "--grace 'soon'",
        "did you mean shape",
        "--env 'A'",
        "kubernetes is not available yet",
        "--retries '-1'",
        "--pull 'a.b'",
    ):
        assert part in caught.value.message


@pytest.mark.parametrize(
    ("field", "raw", "value"),
    [("budget", "0.50", 500_000), ("budget", "20", 20_000_000), ("budget", 7, 7), ("time_limit", "1h30m", 5400.0),
     ("grace", 5, 5.0), ("shape", "a, b", ("a", "b")), ("nodes", " 3 ", 3), ("secret", ["A", "B,C"], ("A", "B", "C"))],
)  # fmt: skip
def test_values_are_read_as_typed(field: str, raw: Any, value: Any) -> None:
    """Texts of flags and values of JSON meet in one form."""
    values, defects = parse_values({field: raw})
    assert (values[field], defects) == (value, [])


@pytest.mark.parametrize(
    ("field", "raw"),
    [("budget", "-3"), ("budget", "inf"), ("budget", 2.5), ("nodes", 2.7), ("nodes", True), ("nodes", "two"),
     ("time_limit", -1.0), ("time_limit", float("nan")), ("time_limit", "9" * 400 + "h"), ("grace", ["1s"]),
     ("budget", "0.0000001")],
)  # fmt: skip
def test_values_that_mean_nothing_are_refused(field: str, raw: Any) -> None:
    """Never rounded, never guessed."""
    assert len(parse_values({field: raw})[1]) == 1


@pytest.mark.parametrize("source", ["/etc/passwd", "../journal.db", "a/../../b.py", ""])
def test_the_program_lies_in_the_run(source: str) -> None:
    """A request cannot point the ranks at a file outside the run's own folder."""
    with pytest.raises(UserError, match="within the run"):
        parse_spec({"source": source})


def test_an_unknown_flag_names_its_neighbour_and_unknown_ones_do_not_abbreviate() -> None:
    """`--shap` is no `--shape`: what a script typed wrong today must not mean something else tomorrow."""
    parser = OptionParser(prog="%%aicci train")
    add_options(parser)
    with pytest.raises(UserError, match="did you mean --shape"):
        parse_known(parser, ["--shap", "cpux2"])


@pytest.mark.parametrize(
    ("text", "name", "path", "mode"),
    [
        ("d=/data/x", "d", "/data/x", "mount"),
        ("d=file:///data/x:copy", "d", "/data/x", "copy"),
        ("d=/a:b", "d", "/a:b", "mount"),
    ],
)
def test_mounts_are_read(text: str, name: str, path: str, mode: str) -> None:
    """A colon that names no mode is part of the path."""
    mount = parse_mount(text)
    assert (mount.name, mount.path, mount.mode) == (name, path, mode)


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ("d=s3://bucket/x", "s3:// is not available yet"),
        ("d=gopher://x", "unknown scheme"),
        ("1x=/a", "expected NAME=PATH"),
        ("d=", "expected NAME"),
    ],
)
def test_mounts_that_are_not_available_are_named(item: str, says: str) -> None:
    """The other schemes are refused by name, before anything is queued."""
    with pytest.raises(UserError, match=says):
        parse_spec({"data": [item]})


def test_two_data_sets_of_one_name_are_refused() -> None:
    """`aicci.data["d"]` could only be one of them."""
    with pytest.raises(UserError, match="--data d: given twice"):
        parse_spec({"data": ["d=/a", "d=/b"]})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"engine": "kubernetes"}, "--engine kubernetes is not available yet"),
        ({"image": "registry/x:1"}, "--image registry/x:1 is not available yet"),
        ({"isolation": "kata"}, "--isolation kata is not available yet"),
        ({"data": ["d=/a:cached"]}, "--data d: mode cached is not available yet"),
    ],
)
def test_an_option_that_nothing_acts_on_yet_is_refused_by_name(given: dict[str, Any], says: str) -> None:
    """Nobody is to believe that a run did what was only read; a run of the journal is not judged again."""
    with pytest.raises(UserError, match=says):
        parse_spec(given)
    assert spec_from_json(given).to_json() == RunSpec().to_json() | given


def test_a_topology_is_soft_or_names_a_level() -> None:
    """Whether the cluster has the level is the scheduler's to say."""
    assert parse_spec({"topology": "hard:leaf"}).hard_level == "leaf"
    assert parse_spec({}).hard_level == ""
    for word in ("hard", "hard:", "leaf", "hard:a b", "Soft"):
        with pytest.raises(UserError, match="expected soft, or hard:LEVEL"):
            parse_spec({"topology": word})


def test_a_number_of_nodes_that_no_screen_holds_is_refused() -> None:
    """An elastic gang may ask for more than there is, but not for so many that nobody could look at it."""
    assert parse_spec({"nodes": 65_536, "min_nodes": 1}).nodes == 65_536
    with pytest.raises(UserError, match="--nodes 1000000000: expected 1 to 65536"):
        parse_spec({"nodes": "1000000000", "min_nodes": "1"})


def test_a_grace_that_a_stop_could_not_repeat_is_refused() -> None:
    """`aicci stop` asks with the run's own grace, and the service takes at most a day."""
    assert parse_spec({"grace": "24h"}).grace == 86_400
    with pytest.raises(UserError, match="--grace 172800s: expected at most a day"):
        parse_spec({"grace": "48h"})
