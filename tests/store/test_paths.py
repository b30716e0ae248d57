"""Every path is named in one place, and a home that cannot be used says so."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from jupyter_aicci.model.errors import HostError
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.store import paths
from jupyter_aicci.store.disk import file_system, is_network
from jupyter_aicci.store.paths import Home, parse_source, prepare, source_of


def test_the_environment_names_the_home(tmp_path: Path) -> None:
    """AICCI_HOME and AICCI_RUNTIME win; relative ones are made absolute once."""
    home = Home.from_environment({"AICCI_HOME": str(tmp_path / "h"), "AICCI_RUNTIME": "~/r"})
    assert (home.root, home.runtime) == (tmp_path / "h", Path.home() / "r")


def test_by_default_it_lies_where_jupyter_keeps_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`<jupyter_data_dir>/aicci` and `<jupyter_runtime_dir>/aicci`."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "run"))
    assert Home.from_environment({}) == Home(root=tmp_path / "data" / "aicci", runtime=tmp_path / "run" / "aicci")


def test_run_and_node_directories_are_the_contract(tmp_path: Path) -> None:
    """Section 2 of processes-and-files.md."""
    home, run = Home(root=tmp_path, runtime=tmp_path), RunId("r0f3c2ab")
    assert home.node_dir(run, 1, 0) == tmp_path / "runs" / "r0f3c2ab" / "attempt-1" / "node-0"
    assert home.frames_db(run) == tmp_path / "runs" / "r0f3c2ab" / "frames.db"
    assert home.journal == tmp_path / "journal.db"


def test_a_long_socket_path_moves_to_a_short_one(tmp_path: Path) -> None:
    """The kernel takes 108 bytes; two homes never share a socket."""
    assert Home(root=Path("/h"), runtime=Path("/run/x")).service_socket == Path("/run/x/service.sock")
    long = [Home(root=Path("/h"), runtime=tmp_path / ("é" * 60) / name).service_socket for name in "ab"]
    assert all(len(os.fsencode(path)) <= 100 for path in long)
    assert long[0].parent.parent == Path(f"/tmp/aicci-{os.getuid()}")
    assert long[0] != long[1]


def test_directories_are_private(tmp_path: Path) -> None:
    """0700, whatever the umask allows; a second time changes nothing."""
    home = Home(root=tmp_path / "deep" / "home", runtime=tmp_path / "run")
    prepare(home)
    prepare(home)
    for path in (home.root, home.runs_dir, home.runtime):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert list(home.root.iterdir()) == [home.runs_dir]


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    """Which path, and what to set."""
    (tmp_path / "home").write_text("")
    with pytest.raises(HostError, match=f"{tmp_path}/home.*is a file") as caught:
        prepare(Home(root=tmp_path / "home", runtime=tmp_path / "run"))
    assert (caught.value.code, "AICCI_HOME" in caught.value.hint) == ("home_not_a_directory", True)


def test_a_socket_directory_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/tmp is everybody's: whoever may enter the directory could be listened to."""
    open_to_all = tmp_path / "aicci-0"
    open_to_all.mkdir(mode=0o777)
    open_to_all.chmod(0o777)
    monkeypatch.setattr(paths, "short_socket_dir", lambda runtime: open_to_all / "abc")
    with pytest.raises(HostError) as caught:
        prepare(Home(root=tmp_path / "h", runtime=tmp_path / ("r" * 110)))
    assert caught.value.code == "socket_dir_not_ours"


def test_sources_are_read_back() -> None:
    """The name of a spool tells attempt, node and writer."""
    assert parse_source(source_of(2, 1, "rank-13")) == (2, 1, "rank-13")
    with pytest.raises(ValueError, match="expected attempt-A"):
        parse_source("rank-0")


MOUNTS = """/dev/vda / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
tmpfs /home/u/tmp tmpfs rw 0 0
u@h:/d /mnt/my\\040data fuse.sshfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind", "network"),
    [("/home/u/x.db", "nfs4", True), ("/home/u/tmp/x", "tmpfs", False), ("/homes/x", "ext4", False),
     ("/mnt/my data/x", "fuse.sshfs", True), ("/", "ext4", False)],
)  # fmt: skip
def test_the_file_system_of_a_path_is_known(path: str, kind: str, network: bool) -> None:
    """The longest mount point that holds the path decides."""
    assert (file_system(Path(path), MOUNTS), is_network(kind)) == (kind, network)
