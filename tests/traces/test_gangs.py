"""A trace on a cluster: how its jobs are divided, and which of them are too large."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.traces.gangs import flat_hosts, gangs
from jupyter_aicci.traces.trace import Trace, parse_trace


def trace_of(*counts: int) -> Trace:
    """Jobs that ask for so many accelerators, nodes left open."""
    rows = "".join(f"2017-01-01,1,{count},a\n" for count in counts)
    return parse_trace("timestamp,duration,num_gpus,cluster\n" + rows, "philly", "p.csv")


def test_a_count_is_divided_evenly_over_the_fewest_nodes() -> None:
    """12 on hosts of 8 are two nodes of 6; a prime above 8 can only be ones."""
    found = gangs(trace_of(1, 8, 12, 24, 11), hosts=16, per_host=8)

    assert list(zip(found.nodes.tolist(), found.per_node.tolist(), strict=True)) == [
        (1, 1), (1, 8), (2, 6), (3, 8), (11, 1),
    ]  # fmt: skip
    assert [shape.name for shape in found.shapes] == ["gpux1", "gpux6", "gpux8"]


@given(st.lists(st.integers(1, 200), min_size=1, max_size=20), st.integers(1, 16))
def test_no_accelerator_is_lost_in_the_division(counts: list[int], per_host: int) -> None:
    """Nodes times accelerators is what was asked for, and a node fits on a host."""
    found = gangs(trace_of(*counts), hosts=200, per_host=per_host)

    assert found.units.tolist() == counts
    assert np.all(found.per_node <= per_host)


def test_jobs_larger_than_the_cluster_are_told_with_their_rows() -> None:
    """Before anything is played."""
    with pytest.raises(UserError) as caught:
        gangs(trace_of(8, 32, 64), hosts=2, per_host=8)

    assert caught.value.code == "bad_trace"
    assert caught.value.message == (
        "p.csv: row 3, num_gpus: 32 accelerators (4 x 8) do not fit into 2 hosts with 8 each; "
        "p.csv: row 4, num_gpus: 64 accelerators (8 x 8) do not fit into 2 hosts with 8 each. Nothing was loaded."
    )


def test_a_gang_of_given_nodes_is_not_divided_anew() -> None:
    """Two nodes of 3 fit on a host of 8 each or together, never one of 6."""
    trace = parse_trace("id,submit_s,duration_s,nodes,gpus_per_node\na,0,1,2,3\n", "csv", "c.csv")
    found = gangs(trace, hosts=1, per_host=8)

    assert (found.nodes.tolist(), found.per_node.tolist()) == ([2], [3])


def test_hosts_are_in_order_of_their_numbers() -> None:
    """The cluster sorts by name, so that the first by index is the first by name."""
    names = [host.name for host in flat_hosts(12, 8)]

    assert names == sorted(names)
    assert len(set(names)) == 12


@pytest.mark.parametrize(("hosts", "per_host", "field"), [(0, 8, "nodes"), (10**6, 8, "nodes"), (8, 0, "gpus")])
def test_a_cluster_of_absurd_size_is_refused(hosts: int, per_host: int, field: str) -> None:
    """A typing error does not fill the memory."""
    with pytest.raises(UserError) as caught:
        flat_hosts(hosts, per_host)

    assert (caught.value.code, caught.value.field) == ("bad_cluster", field)
