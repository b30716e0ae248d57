"""Queues as the user writes them: what is read, and every defect that is told."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.scheduler.queue_tree import tree_of
from jupyter_aicci.scheduler.queues import Queue, Queues, amounts, asked, parse_queues

TREE = """
[queues]
half_life = "12h"
[queues.research]
weight = 2
limit = { h100 = 48 }
[queues.vision]
parent = "research"
priority = 1
guarantee = { h100 = 8, cpu = 96, memory = "1.5TB" }
deserved = { h100 = 16 }
users = { ann = 2.0 }
[queues.text]
parent = "research"
guarantee = { accelerator = 0.5 }
"""


def parsed(text: str) -> Queues:
    return parse_queues(tomllib.loads(text)["queues"], "config.toml")


def defects(text: str) -> str:
    with pytest.raises(UserError) as caught:
        parsed(text)
    assert caught.value.code == "bad_config"
    return caught.value.message


def test_tables_become_a_tree_of_queues() -> None:
    """Every key of a table is read; "default" stands beside them."""
    queues = parsed(TREE)

    assert queues.names == ("default", "research", "text", "vision")
    assert queues["vision"] == Queue(
        name="vision",
        parent="research",
        priority=1,
        guarantee=(("cpu", 96_000), ("h100", 8000), ("memory", 1_500_000_000_000)),
        deserved=(("h100", 16_000),),
        users=(("ann", 2.0),),
    )
    assert queues["research"] == Queue(name="research", weight=2.0, limit=(("h100", 48_000),))
    assert queues["text"].guarantee == (("accelerator", 500),)
    assert queues.half_life_s == 12 * 3600
    assert queues.path("vision") == ("vision", "research")


def test_the_tree_of_the_reference_page_is_read() -> None:
    """What a person copies from docs/reference/queues.md is accepted, and means what the page says."""
    page = Path(__file__).parents[2] / "docs" / "reference" / "queues.md"
    (block,) = re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)

    queues = parsed(block)

    assert queues.leaves == ("default", "nightly", "text", "vision")
    assert queues.path("vision") == ("vision", "research")


def test_no_table_is_one_queue_without_limits() -> None:
    """Whoever configures nothing has the queue "default"."""
    assert parse_queues({}, "config.toml") == Queues() == Queues(queues=(Queue(name="default"),))


def test_the_order_of_the_tables_does_not_matter() -> None:
    """Queues stand by name."""
    data = tomllib.loads(TREE)["queues"]

    assert parse_queues(dict(reversed(data.items())), "x") == parse_queues(data, "x")


def test_runs_wait_in_leaves_only() -> None:
    """A branch refuses a run and names the queues under it; an unknown queue gets the nearest name."""
    queues = parsed(TREE)

    branch, unknown = queues.refusal("research"), queues.refusal("visoin")

    assert queues.refusal("vision") is None
    assert queues.refusal("default") is None
    assert branch is not None
    assert unknown is not None
    assert (branch.code, branch.field) == ("inner_queue", "queue")
    assert (
        str(branch) == "queue research is a branch; runs wait in the queues under it: text, vision. Use --queue text."
    )
    assert (unknown.code, unknown.field) == ("unknown_queue", "queue")
    assert unknown.message == "queue 'visoin' does not exist; did you mean vision."


def test_all_defects_are_told_at_once() -> None:
    """File, table and field of each."""
    told = defects("""
        [queues]
        half_live = 3
        [queues.a]
        wieght = 2
        weight = 0
        parent = "bb"
        guarantee = { h100 = -1, cpus = 4, memory = "much" }
        [queues.b]
        weight = -1
        priority = 1.5
        limit = 8
        users = { ann = 0 }
    """)

    assert told.split("; ") == [
        "config.toml: [queues] half_live: unknown key",
        "did you mean half_life?",
        "config.toml: [queues.a] wieght: unknown key",
        "did you mean weight?",
        "config.toml: [queues.a] guarantee.h100: expected a number from 0 with at most three decimals, found -1",
        "config.toml: [queues.a] guarantee.cpus: unknown resource",
        "did you mean cpu?",
        "config.toml: [queues.a] guarantee.memory: expected a size such as 512GB, found 'much'",
        "config.toml: [queues.a] weight: expected a number above 0 (0.001 to 1000), found 0",
        "config.toml: [queues.b] limit: expected amounts by resource such as { h100 = 8, cpu = 96 }, found 8",
        "config.toml: [queues.b] weight: expected a number above 0 (0.001 to 1000), found -1",
        "config.toml: [queues.b] priority: expected a whole number, found 1.5",
        "config.toml: [queues.b] users.ann: expected a number above 0 (0.001 to 1000), found 0",
        "config.toml: [queues.a] parent: queue 'bb' does not exist",
        "did you mean b?.",
    ]


def test_a_circle_is_told_once_with_its_way() -> None:
    """Three queues in a circle, one hanging on it."""
    told = defects("""
        [queues.c]
        parent = "a"
        [queues.a]
        parent = "b"
        [queues.b]
        parent = "c"
        [queues.d]
        parent = "a"
    """)

    assert told == "config.toml: [queues.a] parent: the queues form a circle: a under b under c under a."


def test_a_queue_is_not_its_own_parent() -> None:
    """The shortest circle."""
    assert defects('[queues.a]\nparent = "a"') == (
        "config.toml: [queues.a] parent: the queues form a circle: a under a."
    )


def test_children_are_not_guaranteed_more_than_their_parent() -> None:
    """Guarantees of 8 and 12 under one of 16."""
    told = defects("""
        [queues.top]
        guarantee = { h100 = 16 }
        [queues.x]
        parent = "top"
        guarantee = { h100 = 8 }
        [queues.y]
        parent = "top"
        guarantee = { h100 = 12 }
    """)

    assert told == (
        "config.toml: [queues.top] guarantee.h100: the queues under it are guaranteed 20, more than its own 16."
    )


def test_a_parent_that_names_no_guarantee_has_its_childrens() -> None:
    """Nobody needs to add up by hand, and the sum is held against the limits above all the same."""
    tree = '[queues.x]\nparent = "top"\nguarantee = { h100 = 8 }\n[queues.top]\nlimit = { h100 = %d }'

    assert parsed(tree % 8)["top"].guarantee == ()
    assert defects(tree % 4) == "config.toml: [queues.top] limit.h100: 4 is below its guarantee of 8."


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ("guarantee = {h100 = 8}\ndeserved = {h100 = 4}", "deserved.h100: 4 is below its guarantee of 8"),
        ("deserved = {cpu = 8}\nlimit = {cpu = 4.5}", "limit.cpu: 4.5 is below its deserved of 8"),
        ("guarantee = {memory = '2GB'}\nlimit = {memory = '1GB'}", "limit.memory: 1.0 GB is below its guarantee of 2.0 GB"),
        ("deserved = {h100 = 4, a100 = 4}\nlimit = {accelerator = 6}", "limit.accelerator: 6 is below its deserved of 8"),
    ],
)  # fmt: skip
def test_guarantee_deserved_and_limit_rise(claims: str, told: str) -> None:
    """In each resource, and in all accelerators together."""
    assert defects("[queues.a]\n" + claims) == f"config.toml: [queues.a] {told}."


def test_default_is_a_leaf() -> None:
    """Runs that name no queue wait in it."""
    assert defects('[queues.a]\nparent = "default"') == (
        "config.toml: [queues.default] is the parent of a, but runs that name no queue wait in it."
    )


@pytest.mark.parametrize(
    ("written", "n_bytes"),
    [('"64GB"', 64 * 10**9), ('"64 GiB"', 64 * 2**30), ('"1.5TB"', 15 * 10**11), ('"7B"', 7), ("1024", 1024)],
)
def test_memory_is_written_as_a_size(written: str, n_bytes: int) -> None:
    """Powers of 1000 or of 1024, or bytes."""
    assert parsed(f"[queues.a]\nlimit = {{memory = {written}}}")["a"].limit == (("memory", n_bytes),)


def test_what_a_shape_takes_counts_every_node() -> None:
    """Accelerators and CPUs in thousandths, memory in bytes; what it does not take is not named."""
    shape = Shape(name="h100x8", accelerator="h100", accelerators=8, cpus=96, memory_bytes=10**12)

    assert asked(shape, 2) == (("cpu", 192_000), ("h100", 16_000), ("memory", 2 * 10**12))
    assert asked(Shape(name="cpux2", cpus=2), 1) == amounts(cpu=2)
    part = Shape(name="h100/4", accelerator="h100", accelerators=2, accelerator_milli=250, cpus=1, cpu_share_milli=500)
    assert asked(part, 3) == amounts(cpu=4.5, h100=1.5)


SCALARS = st.none() | st.booleans() | st.integers(-3, 20) | st.floats() | st.text(max_size=5)
VALUES = st.recursive(SCALARS, lambda inner: st.dictionaries(st.sampled_from(["h100", "cpu", "memory", "x y"]), inner))
NAMES = st.sampled_from(["a", "b", "c", "default", "half_life", "no name", ""])
KEYS = st.sampled_from(["parent", "weight", "priority", "guarantee", "deserved", "limit", "users", "wait"])
TABLES = st.dictionaries(KEYS, VALUES | NAMES | st.dictionaries(st.just("h100"), st.integers(0, 9)), max_size=4)


@given(st.dictionaries(NAMES, TABLES | SCALARS, max_size=4))
def test_whatever_is_written_is_a_tree_or_an_error(data: dict[str, Any]) -> None:
    """No other exception; what is accepted can be laid over a cluster."""
    try:
        queues = parse_queues(data, "config.toml")
    except UserError:
        return
    tree = tree_of(queues, {"h100": 8000, "cpu": 8000})

    assert sorted(tree.names) == list(queues.names)
    assert "default" in queues.leaves
