"""openb's lists are read whole or refused, and a cluster is filled by its recipe."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.traces.openb import Filled, Node, Placing, Pod, arrivals, parse_nodes, parse_pods, replay_openb

NODES = "sn,cpu_milli,memory_mib,gpu,model\na,64000,1000,2,P100\nb,96000,2000,0,\nc,96000,2000,8,G2\n"
PODS = (
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,creation_time,deletion_time\n"
    "p0,12000,16,1,460,,LS,0,9\n"
    "p1,4000,8,0,,,BE,1,\n"
    "p2,8000,8,2,1000,G2|P100,LS,2,2\n"
)


def a_pod(name: str, gpus: int = 1, milli: int = 1000, cpu_milli: int = 1000, models: tuple[str, ...] = ()) -> Pod:
    return Pod(name=name, row=2, cpu_milli=cpu_milli, memory_mib=1, gpus=gpus, gpu_milli=milli, models=models)


def some_nodes(*sizes: tuple[int, str], cpu_milli: int = 64000) -> tuple[Node, ...]:
    return tuple(
        Node(name=f"n{i}", cpu_milli=cpu_milli, memory_mib=1000, gpus=gpus, model=model)
        for i, (gpus, model) in enumerate(sizes)
    )


def test_lists_become_records() -> None:
    """Every field in its unit; columns that nobody needs are not read."""
    assert parse_nodes(NODES, "n.csv") == (
        Node(name="a", cpu_milli=64000, memory_mib=1000, gpus=2, model="P100"),
        Node(name="b", cpu_milli=96000, memory_mib=2000, gpus=0, model=""),
        Node(name="c", cpu_milli=96000, memory_mib=2000, gpus=8, model="G2"),
    )
    assert parse_pods(PODS, "p.csv") == (
        Pod(name="p0", row=2, cpu_milli=12000, memory_mib=16, gpus=1, gpu_milli=460),
        Pod(name="p1", row=3, cpu_milli=4000, memory_mib=8, gpus=0, gpu_milli=0),
        Pod(name="p2", row=4, cpu_milli=8000, memory_mib=8, gpus=2, gpu_milli=1000, models=("G2", "P100")),
    )


def test_a_list_without_gpu_spec_leaves_the_model_open() -> None:
    """Half of the workloads have the five columns only."""
    pods = parse_pods("name,cpu_milli,memory_mib,num_gpu,gpu_milli\np,1,1,1,10\n", "p.csv")
    assert pods == (Pod(name="p", row=2, cpu_milli=1, memory_mib=1, gpus=1, gpu_milli=10),)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("sn,", "name,", "n.csv: row 1: column sn is missing"),
        ("b,96000", "a,96000", "n.csv: row 3, sn: 'a' is taken by row 2, expected unique ids"),
        ("a,64000", "a,0", "n.csv: row 2, cpu_milli: '0', expected 1 to 9007199254740992"),
        ("2000,8,G2", "2000,8.5,G2", "n.csv: row 4, gpu: '8.5', expected a whole number"),
        ("2000,8,G2", "2000,17,G2", "n.csv: row 4, gpu: '17', expected 0 to 16"),
        ("8,G2", "8,", "n.csv: row 4, model: '', expected the model of its accelerators"),
    ],
)
def test_a_bad_node_list_is_refused_with_row_and_field(old: str, new: str, says: str) -> None:
    """Nothing is loaded."""
    with pytest.raises(UserError) as caught:
        parse_nodes(NODES.replace(old, new), "n.csv")
    assert caught.value.code == "bad_trace"
    assert caught.value.message.startswith(says)
    assert caught.value.message.endswith("Nothing was loaded.")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("gpu_milli,", "gpumilli,", "p.csv: row 1: column gpu_milli is missing (did you mean gpumilli?)"),
        ("p1,", "p0,", "p.csv: row 3, name: 'p0' is taken by row 2, expected unique ids"),
        ("p1,4000", "p1,-4", "p.csv: row 3, cpu_milli: '-4', expected 0 to 9007199254740992"),
        ("1,460", "1,1001", "p.csv: row 2, gpu_milli: '1001', expected 0 to 1000"),
        ("1,460", "1,", "p.csv: row 2, gpu_milli: '', expected 1 to 1000 for a pod with accelerators"),
        ("1,460", "x,460", "p.csv: row 2, num_gpu: 'x', expected a number"),
        ("LS,2,2", "LS,2,1", "p.csv: row 4, deletion_time: '1', expected a time after creation_time"),
        ("LS,0,9", "LS,0", "p.csv: row 2: 8 cells, expected 9 as in the header"),
    ],
)
def test_a_bad_pod_list_is_refused_with_row_and_field(old: str, new: str, says: str) -> None:
    """Nothing is loaded."""
    with pytest.raises(UserError) as caught:
        parse_pods(PODS.replace(old, new), "p.csv")
    assert caught.value.code == "bad_trace"
    assert caught.value.message.startswith(says)
    assert caught.value.message.endswith("Nothing was loaded.")


@given(
    st.lists(st.sampled_from([0, 50, 460, 1000, 8000]), min_size=1, max_size=20),
    st.integers(0, 60),
    st.floats(0.1, 2.0),
    st.integers(0, 5),
)
def test_arrivals_ask_for_the_ratio_and_not_more(milli: list[int], gpus: int, ratio: float, seed: int) -> None:
    """Everybody once and some again, or, where all are too many, as many as fit; the seed says in which order."""
    pods = tuple(a_pod(f"p{i}", 8, m // 8) if m == 8000 else a_pod(f"p{i}", bool(m), m) for i, m in enumerate(milli))
    limit, order = int(ratio * (gpus * 1000)), arrivals(pods, gpus * 1000, ratio, seed).tolist()
    assert order == arrivals(pods, gpus * 1000, ratio, seed).tolist()
    asked, counts = sum(pods[i].milli for i in order), Counter(order)
    assert asked <= limit
    if sum(milli) <= limit:
        assert set(counts) == set(range(len(pods)))
        assert not sum(milli) or limit - asked < max(milli)  # the one drawn last did not fit
    else:
        assert set(counts.values()) <= {1}
        assert len(order) < len(pods)


def test_arrivals_fill_the_ratio_to_the_last_milli() -> None:
    """What is exactly as large as the rest still comes."""
    assert len(arrivals(tuple(a_pod(f"p{i}") for i in range(4)), 4000, 1.5, 1)) == 6


def test_seeds_differ() -> None:
    """Another seed, another order."""
    pods = tuple(a_pod(f"p{i}") for i in range(50))
    assert arrivals(pods, 60000, 1.3, 1).tolist() != arrivals(pods, 60000, 1.3, 2).tolist()


def test_a_cluster_is_filled_and_the_rest_is_dropped() -> None:
    """Four accelerators, eight pods of one each at twice the capacity: four are placed, nothing is left in fragments."""
    pods = tuple(a_pod(f"p{i}") for i in range(8))
    for placing in Placing:
        filled = replay_openb(some_nodes((2, "A"), (2, "B")), pods, source="p.csv", ratio=2.0, seed=1, placing=placing)
        assert filled == Filled(
            pods=8, placed=4, allocation_ratio=1.0, fragmentation_ratio=0.0, utilisation=(1 + 2 + 3 + 4 * 5) / 4 / 8
        )


def test_what_no_pod_can_use_is_fragments() -> None:
    """Pods of 600 leave 400 on each device: two fifths of the cluster, all of it fragments."""
    pods = tuple(a_pod(f"p{i}", milli=600) for i in range(20))
    filled = replay_openb(some_nodes((4, "A")), pods, source="p.csv", ratio=3.0, seed=1)
    assert (filled.placed, filled.allocation_ratio, filled.fragmentation_ratio) == (4, 0.6, 0.4)


@pytest.mark.parametrize("placing", list(Placing))
def test_gpu_spec_is_respected(placing: Placing) -> None:
    """A pod that names models waits for these, though others are free."""
    pods = (*tuple(a_pod(f"p{i}", models=("B",)) for i in range(9)), a_pod("q", milli=500, models=("C", "A")))
    nodes = some_nodes((4, "A"), (2, "B"))
    filled = replay_openb(nodes, pods, source="p.csv", ratio=9500 / 6000, seed=3, placing=placing)
    assert (filled.pods, filled.placed, filled.allocation_ratio) == (10, 3, 2500 / 6000)


def test_a_pod_that_only_its_models_are_too_small_for_is_dropped() -> None:
    """The recipe drops what does not fit; only what no node of any model could take is an error of the list."""
    pods = (a_pod("p", gpus=4, models=("B",)), a_pod("q", gpus=2, models=("B",)))
    filled = replay_openb(some_nodes((4, "A"), (2, "B")), pods, source="p.csv", ratio=1.0, seed=1)
    assert (filled.pods, filled.placed) == (2, 1)


@pytest.mark.parametrize(
    ("pod", "says"),
    [
        (
            a_pod("p", gpus=3),
            (
                "p.csv: row 2, num_gpu 3, gpu_milli 1000, cpu_milli 1000, memory_mib 1: larger than any node, expected a pod "
                "that fits on an empty one. Nothing was loaded."
            ),
        ),
        (
            a_pod("p", cpu_milli=64001),
            (
                "p.csv: row 2, num_gpu 1, gpu_milli 1000, cpu_milli 64001, memory_mib 1: larger than any node, expected a pod "
                "that fits on an empty one. Nothing was loaded."
            ),
        ),
        (
            a_pod("p", models=("X", "Y")),
            "p.csv: row 2, gpu_spec: 'X|Y', expected a model of the node list (A, B). Nothing was loaded.",
        ),
    ],
)
def test_a_pod_that_can_never_run_is_refused(pod: Pod, says: str) -> None:
    """Larger than any node, or for models that there are none of."""
    with pytest.raises(UserError) as caught:
        replay_openb(some_nodes((2, "A"), (1, "B")), (pod,), source="p.csv", seed=1)
    assert (caught.value.code, caught.value.message) == ("bad_trace", says)


def test_nodes_without_accelerators_are_refused() -> None:
    """There is nothing to fill."""
    with pytest.raises(UserError) as caught:
        replay_openb(some_nodes((0, "")), (a_pod("p", gpus=0, milli=0),), source="p.csv", seed=1)
    assert caught.value.code == "bad_trace"


def test_a_replay_tells_how_far_it_is() -> None:
    """One call a pod, up to all of them."""
    told: list[tuple[int, int]] = []
    replay_openb(
        some_nodes((4, "A")),
        tuple(a_pod(f"p{i}") for i in range(4)),
        source="p.csv",
        ratio=1.0,
        seed=1,
        progress=lambda done, of: told.append((done, of)),
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_gradient_allocates_more_than_best_fit_and_chance_less() -> None:
    """A small openb: shares, whole devices and CPU-only pods on nodes rich and poor in CPUs; same seed, same figures."""
    kinds = (a_pod("a", milli=810, cpu_milli=3000), a_pod("b", milli=470, cpu_milli=11000), a_pod("c", cpu_milli=11000))
    kinds += (a_pod("d", milli=650, cpu_milli=12000), a_pod("e", milli=320, cpu_milli=4000))
    kinds += (a_pod("f", gpus=0, milli=0, cpu_milli=16000),)
    pods = tuple(pod for pod, count in zip(kinds, (15, 15, 60, 9, 9, 15), strict=True) for _ in range(count))
    nodes = some_nodes(*[(8, "G2")] * 12, cpu_milli=96000) + some_nodes(*[(2, "T4")] * 8, cpu_milli=104000)
    figures = {
        placing: replay_openb(nodes, pods, source="p.csv", seed=42, placing=placing)
        for placing in (Placing.FGD, Placing.BEST, Placing.RANDOM)
    }
    allocated = [figures[placing].allocation_ratio for placing in (Placing.FGD, Placing.BEST, Placing.RANDOM)]
    assert allocated == sorted(set(allocated), reverse=True)
    assert replay_openb(nodes, pods, source="p.csv", seed=42) == figures[Placing.FGD]
