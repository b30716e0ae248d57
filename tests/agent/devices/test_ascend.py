"""Huawei's NPUs on a library that is compiled from the documented signatures, and on tables that the tool has printed.

Never run on hardware.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from jupyter_aicci.agent.devices import near
from jupyter_aicci.agent.devices.ascend import Ascend, open_ascend
from jupyter_aicci.agent.devices.npu_smi import NpuSmi, parse_table
from jupyter_aicci.model.metrics import BY_NAME

SOURCE = Path(__file__).with_name("fake_dcmi.c")
MIB = 1 << 20
TABLE_24 = """\
+------------------------------------------------------------------------------------------------+
| npu-smi 24.1.1                   Version: 24.1.1                                               |
+---------------------------+---------------+----------------------------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 0     910B4               | OK            | 88.2        30                0    / 0             |
| 0                         | 0000:C1:00.0  | 12          0    / 0          26838/ 32768         |
+===========================+===============+====================================================+
| 1     910B4               | OK            | 87.0        30                0    / 0             |
| 0                         | 0000:C2:00.0  | 0           0    / 0          29356/ 32768         |
+===========================+===============+====================================================+
+---------------------------+---------------+----------------------------------------------------+
| NPU     Chip              | Process id    | Process name             | Process memory(MB)      |
+===========================+===============+====================================================+
| 0       0                 | 4711          | python                   | 26000                   |
+===========================+===============+====================================================+
"""
TABLE_26 = """\
+------------------------------------------------------------------------------------------------------------------+
| npu-smi 26.0.rc2                            Version: 26.0.rc2                                                    |
+---------------------------+---------------+----------------------------------------------------------------------+
| NPU   Name                | Health        | Power(W)             Temp(C)                 Hugepages-Usage(page)   |
| Chip  Phy-ID              | Bus-Id        | AICore(%)            Memory-Usage(MB)        HBM-Usage(MB)           |
+===========================+===============+======================================================================+
| 0     Ascend910           | OK            | 162.6                34                      0    / 0                |
| 0     0                   | 0000:9D:00.0  | 0                    0    / 0                3419 / 65536            |
+------------------------------------------------------------------------------------------------------------------+
| 0     Ascend910           | OK            | -                    34                      0    / 0                |
| 1     1                   | 0000:9F:00.0  | 0                    0    / 0                2874 / 65536            |
+===========================+===============+======================================================================+
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The compiled library."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here")
    path = tmp_path_factory.mktemp("dcmi") / "libdcmi.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(path), str(SOURCE)], check=True)
    return str(path)


@pytest.fixture(autouse=True)
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A /sys with the chips at c1 and c2."""
    for address, cpus in (("0000:c1:00.0", "96-97\n"), ("0000:c2:00.0", "98-99\n")):
        (tmp_path / address).mkdir()
        (tmp_path / address / "local_cpulist").write_text(cpus)
    monkeypatch.setattr(near, "ROOT", str(tmp_path))


def test_each_chip_tells_what_it_has_in_the_units_of_the_table(library: str) -> None:
    """MB become bytes, tenths of a watt watts; a chip that lacks two metrics lacks only these."""
    notes: list[Any] = []
    driver = open_ascend(None, notes.append, (library,))
    assert isinstance(driver, Ascend)
    found = driver.read(slow=True)
    assert found["0"] == {
        "util": 73, "hbm_bw": 41, "mem_used": 3162 * MIB, "mem_total": 65536 * MIB, "mem_temp": 38, "power": 93.6,
        "clock": 1500, "temp": 40, "clock_max": 1800, "ecc_errors": 1,
    }  # fmt: skip
    assert found["0"].keys() - found["1"].keys() == {"hbm_bw", "power"}
    assert {("device", name) for name in found["0"]} <= BY_NAME.keys()
    assert "temp" not in driver.read(slow=False)["0"]
    assert [text for _, text, _ in notes] == ["accelerator 0: Ascend 910B3", "accelerator 1: Ascend 910B3"]
    assert [(data["kind"], data["cpus"]) for _, _, data in notes] == [("ascend", [96, 97]), ("ascend", [])]


def test_only_the_runs_npus_are_read(library: str) -> None:
    """ASCEND_RT_VISIBLE_DEVICES names logic numbers."""
    driver = open_ascend("1", lambda note: None, (library,))
    assert driver is not None
    assert driver.read(slow=False).keys() == {"1"}


def test_without_library_and_tool_there_is_a_note_and_no_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that has the devices and none of the driver's files."""
    monkeypatch.setenv("PATH", "/nowhere")
    notes: list[Any] = []
    assert open_ascend(None, notes.append, ("/nowhere/libdcmi.so",)) is None
    assert [topic for topic, _, _ in notes] == ["agent"]


def test_without_the_library_the_tools_table_is_read_seldom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tool is a process: with the slow metrics only."""
    tool = tmp_path / "npu-smi"
    tool.write_text(f"#!/bin/sh\ncat {tmp_path}/table\necho asked >> {tmp_path}/asked\n")
    tool.chmod(0o755)
    (tmp_path / "table").write_text(TABLE_24)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    notes: list[Any] = []
    driver = open_ascend("1", notes.append, ("/nowhere/libdcmi.so",))
    assert isinstance(driver, NpuSmi)
    assert driver.read(slow=False) == {}
    assert driver.read(slow=True) == {
        "1": {"power": 87.0, "temp": 30.0, "util": 0.0, "mem_used": 29356 * MIB, "mem_total": 32768 * MIB}
    }
    assert (tmp_path / "asked").read_text().count("asked") == 2
    assert [text for _, text, _ in notes] == ["accelerator 1: Ascend 910B4"]
    assert [data["cpus"] for _, _, data in notes] == [[98, 99]]


def test_a_table_of_one_chip_a_card() -> None:
    """npu-smi 24.1.1 on a 910B4, as a user posted it; the table of processes below is none of chips."""
    assert parse_table(TABLE_24)[0] == (
        "0",
        "910B4",
        "0000:C1:00.0",
        {"power": 88.2, "temp": 30.0, "util": 12.0, "mem_used": 26838 * MIB, "mem_total": 32768 * MIB},
    )
    assert [index for index, *_ in parse_table(TABLE_24)] == ["0", "1"]


def test_a_table_of_two_chips_a_card() -> None:
    """npu-smi 26.0 on an Atlas 800 A3: numbered by Phy-ID; the second chip's power is a dash, so it is absent."""
    first, second = parse_table(TABLE_26)
    assert [first[0], second[0]] == ["0", "1"]
    assert first[3]["power"] == 162.6
    assert "power" not in second[3]
    assert second[3]["mem_used"] == 2874 * MIB


@pytest.mark.parametrize("text", ["", "dcmi module initialize failed. ret is -8005\n", "|\n||\n|||||\n| 0 | OK |\n"])
def test_what_is_no_table_has_no_chips(text: str) -> None:
    """The tool's complaints are no devices."""
    assert parse_table(text) == []
