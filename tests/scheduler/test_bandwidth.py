"""What bandwidth a placement costs: the least of the links that its ring crosses, as a share of the best."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.model.placement import Bandwidth, NodePlacement, Placement, bandwidth_from_json, placement_from_json
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.scheduler.bandwidth import bandwidth, best, links_of, step_time_ratio
from jupyter_aicci.scheduler.fit import Picks, fit
from jupyter_aicci.scheduler.topology import Link, Tree, tree_of

GB = 1_000_000_000
H100X8 = Shape(name="h100x8", accelerator="h100", accelerators=8, cpus=64, nvlink=True, rdma_nics=4)
CPUX1 = Shape(name="cpux1", cpus=1)
# 24 hosts: leaves a and b of spine s1 with 12 and 6 hosts, leaf c of spine s2 with 5, and one host right on s2.
PATHS = [("s1", "a")] * 12 + [("s1", "b")] * 6 + [("s2",)] + [("s2", "c")] * 5
GIVEN = (Link(level="leaf", bytes_per_s=100 * GB), Link(level="spine", bytes_per_s=100 * GB, oversubscription=4.0))


def a_tree() -> Tree:
    return tree_of(PATHS, [f"h{at:02}" for at in range(len(PATHS))])


def on(*hosts: int, each: int = 1) -> Picks:
    return Picks(hosts=np.array(hosts), counts=np.full(len(hosts), each))


def what_it_gets(picks: Picks, shape: Shape = H100X8, **spread: int) -> Bandwidth:
    tree, links = a_tree(), links_of(a_tree().levels, GIVEN)
    nodes = int(picks.counts.sum())
    return bandwidth(
        tree,
        links,
        picks,
        shape,
        best_bytes_per_s=best(tree, links, np.ones(24, dtype=np.int64), nodes, shape),
        **spread,
    )


def test_a_gang_under_one_leaf_has_the_best() -> None:
    """The links of the leaf, in full."""
    found = what_it_gets(on(0, 1, 2))

    assert (found.bus_bytes_per_s, found.best_bytes_per_s, found.best_ratio) == (100 * GB, 100 * GB, 1.0)
    assert (found.text, found.limited_by, found.estimated) == ("a: 100 %", "leaf", True)


def test_one_node_on_each_of_two_leaves_is_due_its_share_of_the_uplink() -> None:
    """At 4:1 a quarter of a node's flow."""
    found = what_it_gets(on(0, 12))

    assert (found.bus_bytes_per_s, found.best_ratio, found.limited_by) == (25 * GB, 0.25, "spine")
    assert found.text == "a, b: 100 %; across s1: 25 %"


def test_even_parts_across_leaves_lose_less_than_uneven_ones() -> None:
    """3 + 3 nodes are due three quarters, 5 + 1 a quarter: the ring leaves each leaf once."""
    assert what_it_gets(on(0, 1, 2, 12, 13, 14)).best_ratio == 0.75
    assert what_it_gets(on(0, 1, 2, 3, 4, 12)).best_ratio == 0.25
    assert what_it_gets(on(*range(5), *range(12, 17))).levels[-1].bus_bytes_per_s == 100 * GB  # and no more


def test_a_host_without_a_leaf_does_not_share_an_uplink() -> None:
    """h18 hangs right on spine s2, so that only leaf c's uplink is shared: two nodes there are due a half."""
    found = what_it_gets(on(18, 19, 20))

    assert (found.best_ratio, found.text) == (0.5, "s2, c: 100 %; across s2: 50 %")


def test_every_level_that_is_crossed_is_told() -> None:
    """From two spines through the cluster's root, which carries a seventh by default."""
    found = what_it_gets(on(0, 1, 12, 19))

    assert [(level.level, level.where) for level in found.levels] == [
        ("host", "4 × host"), ("leaf", "3 × leaf"), ("spine", "across s1, s2"), ("cluster", "across the cluster"),
    ]  # fmt: skip
    assert found.limited_by == "spine"


def test_the_gang_that_no_leaf_could_hold_is_measured_against_the_best_across_leaves() -> None:
    """18 nodes fill s1, as 12 + 6 on a 12:1 uplink: half a flow, and no placement of 18 has more."""
    tree, links = a_tree(), links_of(a_tree().levels, [Link(level="spine", oversubscription=12.0)])
    empty = np.ones(24, dtype=np.int64)
    picks = fit(tree, empty, 18)
    assert picks is not None
    found = bandwidth(tree, links, picks, H100X8, best_bytes_per_s=best(tree, links, empty, 18, H100X8))

    assert (found.best_ratio, found.bus_bytes_per_s) == (1.0, 4 * 50 * GB // 2)


@pytest.mark.parametrize(
    ("change", "spread", "gbytes_per_s"),
    [
        ({}, {}, 370.8),
        ({}, {"nvlink_domains": 2}, 48),
        ({"nvlink": False}, {}, 48),
        ({"nvlink": False}, {"numa_nodes": 2}, 16),
        ({"accelerator": "v100"}, {}, 120),
        ({"accelerator": "v100", "nvlink": False}, {}, 12),
        ({"accelerator": "unheard-of"}, {}, 72),
    ],
)
def test_inside_a_host_it_is_nvlink_or_pcie(
    change: dict[str, object], spread: dict[str, int], gbytes_per_s: float
) -> None:
    """By accelerator, by whether the node's devices share an NVLink domain, and by socket."""
    found = what_it_gets(on(3), replace(H100X8, **change), **spread)  # type: ignore[arg-type]

    assert (found.bus_bytes_per_s, found.limited_by) == (gbytes_per_s * GB, "host")


def test_devices_on_two_nvlink_domains_show_in_the_text() -> None:
    """48 of the 100 GB/s that the leaf's links would carry."""
    assert what_it_gets(on(0, 1), nvlink_domains=2).text == "2 × host: 48 %; a: 100 %".replace("2 × host", "h00, h01")


def test_one_device_alone_crosses_nothing() -> None:
    """There is nothing to reduce with."""
    found = what_it_gets(on(0), CPUX1)

    assert (found.bus_bytes_per_s, found.best_ratio, found.text) == (0, 1.0, "nothing crosses a link")
    assert step_time_ratio(found, 0.5) == 1.0


def test_a_level_that_nobody_described_gets_the_usual_link() -> None:
    """Two full levels of switches, 7:1 above; what a file says of a level wins."""
    links = links_of(("cluster", "zone", "spine", "leaf", "host"), [Link(level="zone", oversubscription=3.0)])

    assert [link.oversubscription for link in links] == [7.0, 3.0, 1.0, 1.0, 1.0]
    assert [link.level for link in links] == ["cluster", "zone", "spine", "leaf", "host"]


def test_the_flow_of_a_node_is_that_of_its_network_cards() -> None:
    """Where the topology names no rate: 4 cards of 400 Gbit/s, or Ethernet."""
    tree = a_tree()
    bare = links_of(tree.levels)

    assert bandwidth(tree, bare, on(0, 1), H100X8, best_bytes_per_s=0).bus_bytes_per_s == 200 * GB
    assert bandwidth(tree, bare, on(0, 1), CPUX1, best_bytes_per_s=0).bus_bytes_per_s == 3_125_000_000


@pytest.mark.parametrize(("comm", "expected"), [(0.0, 1.0), (0.3, 1.9), (1.0, 4.0)])
def test_only_the_communication_of_a_step_gets_slower(comm: float, expected: float) -> None:
    """At a quarter of the bandwidth."""
    assert step_time_ratio(what_it_gets(on(0, 12)), comm) == pytest.approx(expected)


@given(st.sets(st.integers(0, 23), min_size=1, max_size=10).map(sorted), st.sampled_from([H100X8, CPUX1]))
def test_no_placement_beats_the_best(hosts: list[int], shape: Shape) -> None:
    """The ratio is in (0, 1], the whole is the least level, and JSON keeps it."""
    found = what_it_gets(on(*hosts), shape)

    assert 0 < found.best_ratio <= 1
    assert found.bus_bytes_per_s == min((level.bus_bytes_per_s for level in found.levels), default=0)
    assert found.bus_bytes_per_s <= found.best_bytes_per_s
    assert found.best_bytes_per_s == best(
        a_tree(), links_of(a_tree().levels, GIVEN), np.ones(24, dtype=np.int64), len(hosts), shape
    )
    assert bandwidth_from_json(json.loads(json.dumps(found.to_json()))) == found


@given(st.sets(st.integers(0, 23), min_size=2, max_size=10).map(sorted))
def test_a_thinner_level_never_gives_more(hosts: list[int]) -> None:
    """Oversubscription only takes."""
    tree = a_tree()
    rates = [
        bandwidth(
            tree, links_of(tree.levels, [Link(level="spine", oversubscription=over)]), on(*hosts), H100X8,
            best_bytes_per_s=0,
        ).bus_bytes_per_s
        for over in (1.0, 2.0, 5.0, 50.0)
    ]  # fmt: skip

    assert rates == sorted(rates, reverse=True)


def test_a_placement_keeps_its_bandwidth_and_an_old_one_loads_without() -> None:
    """The journal's placements from before bandwidth was estimated are read as they are."""
    node = NodePlacement(index=0, host="h00", address="127.0.0.1")
    placement = Placement(shape=CPUX1, ranks_per_node=1, nodes=(node,), bandwidth=what_it_gets(on(0, 12)))
    data = json.loads(json.dumps(placement.to_json()))

    assert placement_from_json(data) == placement
    assert data["bandwidth"]["text"] == "a, b: 100 %; across s1: 25 %"
    del data["bandwidth"]
    assert placement_from_json(data) == replace(placement, bandwidth=None)
