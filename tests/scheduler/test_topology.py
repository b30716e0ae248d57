"""A cluster's tree is slices of the host axis; a topology file with defects is refused whole."""

from __future__ import annotations

import contextlib
import re
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.scheduler.topology import Link, Place, Tree, parse_topology, tree_of

LETTERS = st.sampled_from("ab")
PATHS = st.lists(st.lists(LETTERS, max_size=4).map(tuple), min_size=1, max_size=24).map(sorted)

FILE = """\
[[levels]]
name = "cluster"
gbytes_per_s = 50
oversubscription = 7

[[levels]]
name = "spine"

[[levels]]  # the switch that hosts hang on
name = "leaf"
gbytes_per_s = 400

[[hosts]]
names = ["gpu-[08-10]", "odd"]
path = ["spine-1", "leaf-a"]

[[hosts]]
names = ["lone"]
path = ["spine-1"]
state = "draining"
only_shapes = ["h100x8"]
"""


def a_tree(*paths: str) -> Tree:
    """A tree of hosts h0, h1, ... under `zone/leaf` paths, "" = none."""
    split = sorted(tuple(path.split("/")) if path else () for path in paths)
    return tree_of(split, [f"h{at}" for at in range(len(split))])


def the_error(text: str) -> str:
    with pytest.raises(UserError) as refused:
        parse_topology(text, "cluster.toml")
    assert refused.value.code == "bad_topology"
    assert refused.value.message.startswith("cluster.toml: ")
    assert refused.value.message.endswith("Nothing of it was loaded.")
    return refused.value.message


# ------------------------------------------------------------------------------------------------ the tree


def test_a_flat_cluster_has_two_levels() -> None:
    """Hosts without a path hang on the cluster itself."""
    tree = a_tree("", "", "")

    assert tree.levels == ("cluster", "host")
    assert [starts.tolist() for starts in tree.starts] == [[0], [0, 1, 2]]
    assert tree.names == (("cluster",), ("h0", "h1", "h2"))


def test_ragged_leaves_are_slices() -> None:
    """Leaves of 1, 3 and 2 hosts under two spines."""
    tree = a_tree("s1/a", "s1/b", "s1/b", "s1/b", "s2/c", "s2/c")

    assert tree.levels == ("cluster", "spine", "leaf", "host")
    assert [starts.tolist() for starts in tree.starts[1:3]] == [[0, 4], [0, 1, 4]]
    assert [stops.tolist() for stops in tree.stops[1:3]] == [[4, 6], [1, 4, 6]]
    assert tree.domain[2].tolist() == [0, 1, 1, 1, 2, 2]
    assert [children.tolist() for children in tree.children] == [[0, 2], [0, 2, 3], [0, 1, 4, 6]]


def test_the_last_domain_stands_for_the_levels_that_a_path_lacks() -> None:
    """Two hosts right on spine s1 are together at leaf level too, and apart from its leaf."""
    tree = a_tree("s1", "s1", "s1/a")

    assert tree.domain[2].tolist() == [0, 0, 1]
    assert tree.given[2].tolist() == [False, True]
    assert tree.names[2] == ("s1", "a")


def test_hosts_of_which_nobody_knows_where_they_hang_are_near_to_none() -> None:
    """Beside hosts with a path, each host without one is a domain of its own at every level."""
    tree = a_tree("", "", "s1/a")

    assert tree.domain[1].tolist() == tree.domain[2].tolist() == [0, 1, 2]
    assert tree.names[2] == ("h0", "h1", "a")


def test_domains_of_one_name_are_told_apart_by_their_path() -> None:
    """rack-1 of zone a is not rack-1 of zone b."""
    tree = a_tree("a/rack-1", "b/rack-1", "b/rack-2")

    assert tree.names[2] == ("a/rack-1", "b/rack-1", "rack-2")


@given(PATHS)
def test_domains_are_the_hosts_with_one_path_down_to_their_level(paths: list[tuple[str, ...]]) -> None:
    """Slices cover all hosts in order; two hosts share a domain exactly if their paths agree so far, or end alike."""
    tree = tree_of(paths, [f"h{at:02}" for at in range(len(paths))])

    for level, starts in enumerate(tree.starts):
        assert starts[0] == 0
        assert tree.stops[level].tolist() == [*starts[1:].tolist(), len(paths)]
        spans = [len(list(same)) for _, same in groupby(tree.domain[level].tolist())]
        assert spans == (tree.stops[level] - starts).tolist()
        assert len(tree.names[level]) == len(set(tree.names[level])) == len(starts)
    for level in range(1, len(tree.levels) - 1):
        for one, one_path in enumerate(paths):
            for other, other_path in enumerate(paths):
                ends = (len(one_path) < level, len(other_path) < level)
                together = one == other or (one_path[:level] == other_path[:level] != () and ends[0] == ends[1])
                assert (tree.domain[level][one] == tree.domain[level][other]) == together
    for upper, children in enumerate(tree.children):
        assert tree.starts[upper].tolist() == tree.starts[upper + 1][children[:-1]].tolist()


def test_arrays_of_a_tree_cannot_be_written() -> None:
    """A tree is shared by every decision."""
    with pytest.raises(ValueError, match="read-only"):
        a_tree("a", "b").starts[1][0] = 7


def test_a_host_in_two_leaves_is_refused() -> None:
    """It would be counted twice."""
    with pytest.raises(UserError, match="host 2, field names: host 'h' is also in host 1: in a and in b") as refused:
        tree_of([("a",), ("b",)], ["h", "h"])
    assert refused.value.code == "bad_topology"


def test_hosts_out_of_order_are_our_own_mistake() -> None:
    """A domain that is no slice would be summed wrongly without a word."""
    with pytest.raises(ValueError, match="sorted"):
        tree_of([("b",), ("a",)], ["h", "i"])


def test_an_unknown_level_is_named_with_those_there_are() -> None:
    """`--topology hard:laef` says what would be right."""
    tree = a_tree("s1/a")

    assert [tree.level(name) for name in ("cluster", "leaf", "host")] == [0, 2, 3]
    with pytest.raises(UserError, match=r"'laef' is not one .*: cluster, spine, leaf, host\. Did you mean leaf\?"):
        tree.level("laef")


# ------------------------------------------------------------------------------------------------ the file


def test_a_file_gives_levels_links_and_places() -> None:
    """Ranges are written out, rates are bytes a second, what is not given is ready and takes any shape."""
    topology = parse_topology(FILE, "cluster.toml")
    leaf = Place(path=("spine-1", "leaf-a"))

    assert topology.levels == ("spine", "leaf")
    assert topology.links == (
        Link(level="cluster", bytes_per_s=50_000_000_000, oversubscription=7.0),
        Link(level="spine"),
        Link(level="leaf", bytes_per_s=400_000_000_000),
    )
    assert topology.places == {
        "gpu-08": leaf, "gpu-09": leaf, "gpu-10": leaf, "odd": leaf,
        "lone": Place(path=("spine-1",), state="draining", only_shapes=frozenset({"h100x8"})),
    }  # fmt: skip


def test_a_node_in_two_leaves_names_file_row_and_field() -> None:
    """Both rows, and both leaves."""
    text = the_error(FILE + '[[hosts]]\nnames = ["gpu-09"]\npath = ["spine-1", "leaf-b"]\n')

    assert (
        "line 22, field names: host 'gpu-09' is also in line 13: in spine-1/leaf-a and in spine-1/leaf-b; "
        "a host hangs on one leaf" in text
    )


def test_every_defect_of_a_file_is_listed() -> None:
    """One reading is enough to correct it."""
    text = the_error(
        "speed = 1\n"
        '[[levels]]\nname = "leaf"\ngbytes_per_s = -4\noversubscription = 0.5\n'
        '[[levels]]\nname = "leaf"\ngbytes_per_s = true\n'
        '[[levels]]\nname = "cluster"\n'
        '[[hosts]]\nnames = []\npath = ["a/b"]\nstat = "ready"\n'
        '[[hosts]]\nnames = ["n[3-1]", "n[x]"]\npath = ["a", "b", "c"]\nstate = "broken"\nonly_shapes = "h100"\n'
    )

    for defect in (
        "the file, field speed: not a field",
        "line 2, field gbytes_per_s: expected a number, more than 0, got -4",
        "line 2, field oversubscription: expected a number, at least 1, got 0.5",
        "line 6, field name: level 'leaf' is described twice",
        "line 6, field gbytes_per_s: expected a number, more than 0, got True",
        "line 9, field name: 'cluster' is the root and comes first",
        "line 11, field names: expected a list of host names, got []",
        "line 11, field path: expected a list of domain names without '/', got ['a/b']",
        "line 11, field stat: not a field, did you mean state?",
        "line 15, field path: a/b/c has 3 elements, and [[levels]] names 2",
        "line 15, field state: expected ready, draining, down, got 'broken'",
        "line 15, field only_shapes: expected a list of shape names, got 'h100'",
        "line 15, field names: 'n[3-1]': expected a range that goes up",
        "line 15, field names: 'n[x]': expected one range like gpu-[01-32]",
    ):
        assert defect in text


@pytest.mark.parametrize(
    ("text", "defect"),
    [
        ("[[hosts]\n", "not TOML: "),
        ("a = " + "[" * 100_000, "not TOML"),
        ("a = " + "9" * 5000, "not TOML: "),
        ("", "hosts: expected at least one [[hosts]] row"),
        ("hosts = 3\n", "hosts: expected [[hosts]] rows"),
        ("[hosts]\n", "hosts: expected [[hosts]] rows"),
        ("hosts = [{names = ['a', 'a']}]\n", "hosts row 1, field names: host 'a' is also in hosts row 1: twice in"),
        ('[[hosts]]\nnames = ["a[0-999999999]"]\n', "of at most 1000000 hosts"),
        (f'[[levels]]\nname = "leaf"\noversubscription = {10**400}\n', "field oversubscription: expected a number"),
        ('[[levels]]\nname = "leaf"\ngbytes_per_s = nan\n', "field gbytes_per_s: expected a number"),
        ('[[levels]]\nname = "host"\n[[levels]]\nname = "leaf"\n', "level 'leaf' comes below 'host'"),
    ],
)  # fmt: skip
def test_a_malformed_file_is_refused_in_words(text: str, defect: str) -> None:
    """Whatever is wrong with it."""
    assert defect in the_error(text)


def test_a_thousand_defects_are_counted_not_shown() -> None:
    """A message stays one that can be read."""
    text = the_error("".join(f'[[hosts]]\nnames = ["n{at}"]\nstate = "odd"\n' for at in range(1000)))

    assert text.count("field state") == 20
    assert "; and 980 more" in text


@given(st.text(alphabet='[]"=\n {}', max_size=40) | st.text(max_size=40))
def test_any_text_is_a_topology_or_a_refusal(text: str) -> None:
    """No file brings the reader down."""
    with contextlib.suppress(UserError):
        assert parse_topology(text, "f").places


def test_the_file_of_the_reference_is_one() -> None:
    """Whoever copies it from the page starts from something that is read."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "topology.md").read_text("utf-8")
    (text,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    topology = parse_topology(text, "cluster.toml")

    assert topology.levels == ("spine", "leaf")
    assert len(topology.places) == 40
    assert topology.places["gpu-101"].state == "draining"


def test_a_tree_of_a_file_has_its_level_names() -> None:
    """The places of a file, sorted, make the tree."""
    topology = parse_topology(FILE, "cluster.toml")
    places = sorted(topology.places.items(), key=lambda item: (item[1].path, item[0]))
    tree = tree_of([place.path for _, place in places], [name for name, _ in places], topology.levels)

    assert tree.levels == ("cluster", "spine", "leaf", "host")
    assert tree.names[-1] == ("lone", "gpu-08", "gpu-09", "gpu-10", "odd")
    assert np.array_equal(tree.domain[2], [0, 1, 1, 1, 1])
