"""`jupyter_aicci.replay(...)`: files in, numbers, frames and a page out."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

import jupyter_aicci
from jupyter_aicci.model.errors import HostError, UserError

CSV = "id,submit_s,duration_s,nodes,gpus_per_node\na,0,100,1,4\nb,10,50,2,4\n"


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Two jobs on disk."""
    path = tmp_path / "jobs.csv"
    path.write_text(CSV)
    return path


def test_a_notebook_gets_numbers_and_frames(trace: Path) -> None:
    """Also after the first call, which imports what it needs."""
    for _ in range(2):
        replayed = jupyter_aicci.replay(trace, policy="fifo", nodes=2, gpus=4)

    assert (replayed.summary["jobs"], replayed.summary["makespan_s"]) == (2, 150.0)
    assert replayed.jobs.set_index("id").loc["b", "wait_s"] == 90.0
    assert replayed.jobs["preemptions"].sum() == 0
    assert replayed.use["held"].max() == 8
    assert repr(replayed).startswith("2 jobs · policy fifo")


def test_a_packed_file_is_read_as_it_is(trace: Path, tmp_path: Path) -> None:
    """Whatever it is called."""
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(CSV.encode()))

    given = {"policy": "fifo", "nodes": 2, "gpus": 4}
    assert jupyter_aicci.replay(packed, **given).summary == jupyter_aicci.replay(trace, **given).summary


def test_the_page_is_one_file(trace: Path, tmp_path: Path) -> None:
    """Written where it is asked for; a place that cannot be written is told."""
    replayed = jupyter_aicci.replay(trace, policy="fifo", nodes=2, gpus=4)
    replayed.save(tmp_path / "page.html")

    assert "jobs.csv · fifo · 8 accelerators" in (tmp_path / "page.html").read_text()
    with pytest.raises(HostError) as caught:
        replayed.save(tmp_path / "nowhere" / "page.html")
    assert caught.value.code == "cannot_write"


def test_openb_fills_its_nodes_and_has_no_times(tmp_path: Path) -> None:
    """The best placement, unless told otherwise."""
    nodes, pods = tmp_path / "nodes.csv", tmp_path / "pods.csv"
    nodes.write_text("sn,cpu_milli,memory_mib,gpu,model\nn0,8000,8000,2,V100\nn1,8000,8000,2,T4\n")
    pods.write_text(
        "name,cpu_milli,memory_mib,num_gpu,gpu_milli\n" + "".join(f"p{i},100,100,1,500\n" for i in range(8))
    )
    replayed = jupyter_aicci.replay(pods, format="openb", cluster=nodes)

    assert replayed.summary["allocation_ratio"] == 1.0
    assert replayed.summary["placement"] == "fgd"
    with pytest.raises(UserError) as caught:
        _ = replayed.jobs
    assert caught.value.code == "no_times"


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        ({"trace": "nothing.csv"}, "bad_file", "nothing.csv cannot be read: No such file or directory"),
        ({"format": "slurm"}, "unknown_format", "trace format 'slurm' is not known"),
        ({"format": "openb"}, "bad_cluster", "openb needs its list of nodes"),
        ({"cluster": "nothing.toml"}, "bad_file", "nothing.toml cannot be read"),
        ({"nodes": 1, "gpus": 4}, "bad_trace", "row 3, gpus_per_node: 8 accelerators (2 x 4) do not fit into 1 host"),
        ({"policy": "srft"}, "unknown_policy", "did you mean srtf?"),
    ],
)
def test_what_is_wrong_is_told(trace: Path, given: dict[str, object], code: str, says: str) -> None:
    """Before anything is played."""
    options = {"trace": trace, **given}
    with pytest.raises(UserError) as caught:
        jupyter_aicci.replay(options.pop("trace"), **options)

    assert caught.value.code == code
    assert says in caught.value.message


@pytest.mark.parametrize("data", [b"\x1f\x8b broken", b"\xff\xfe\x00"])
def test_a_file_that_is_no_text_is_told(data: bytes, tmp_path: Path) -> None:
    """Half a packed file, or bytes of another kind."""
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        jupyter_aicci.replay(path)

    assert caught.value.code == "bad_file"
