"""AMD's devices on a tree made after the amdgpu driver's documentation; never run on hardware."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_aicci.agent.devices.amd import open_amd
from jupyter_aicci.model.metrics import BY_NAME

MI250 = {
    "vendor": "0x1002\n", "unique_id": "8e4f1a2b3c4d5e6f\n", "product_name": "AMD INSTINCT MI250X\n",
    "gpu_busy_percent": "98\n", "mem_busy_percent": "44\n", "mem_info_vram_used": "11811160064\n",
    "mem_info_vram_total": "68702699520\n", "current_link_speed": "16.0 GT/s PCIe\n", "max_link_speed": "32.0 GT/s PCIe\n",
    "current_link_width": "16\n", "max_link_width": "16\n", "pp_dpm_sclk": "0: 500Mhz\n1: 1700Mhz *\n",
    "local_cpulist": "0-1,8\n", "ras/umc_err_count": "ue: 2\nce: 17\n", "hwmon/hwmon3/power1_average": "421000000\n",
    "hwmon/hwmon3/freq1_input": "1700000000\n",
    "hwmon/hwmon3/temp1_label": "edge\n", "hwmon/hwmon3/temp1_input": "41000\n",
    "hwmon/hwmon3/temp2_label": "junction\n", "hwmon/hwmon3/temp2_input": "52000\n",
    "hwmon/hwmon3/temp3_label": "mem\n", "hwmon/hwmon3/temp3_input": "47000\n",
}  # fmt: skip


def a_card(root: Path, number: int, address: str, files: dict[str, str]) -> None:
    """One card of /sys/class/drm and the PCI device that it leads to."""
    device = root / "devices" / address
    for name, text in files.items():
        (device / name).parent.mkdir(parents=True, exist_ok=True)
        (device / name).write_text(text)
    for node in (f"card{number}", f"renderD{128 + number}"):
        (root / "drm" / node).mkdir(parents=True)
        (root / "drm" / node / "device").symlink_to(device)


def test_a_card_tells_every_metric_that_it_has(tmp_path: Path) -> None:
    """Microwatts, millidegrees and hertz become the table's units; the hottest point is the temperature."""
    a_card(tmp_path, 1, "0000:c1:00.0", MI250)
    notes: list[Any] = []
    driver = open_amd(None, notes.append, str(tmp_path / "drm"))
    assert driver is not None
    found = driver.read(slow=True)["0"]
    assert found == {
        "util": 98, "hbm_bw": 44, "mem_used": 11811160064, "mem_total": 68702699520, "power": 421.0, "clock": 1700.0,
        "temp": 52.0, "mem_temp": 47.0, "pcie_width": 16, "pcie_width_max": 16, "pcie_gen": 4, "pcie_gen_max": 5,
        "clock_max": 1700, "ecc_errors": 2,
    }  # fmt: skip
    assert {("device", name) for name in found} <= BY_NAME.keys()
    assert "temp" not in driver.read(slow=False)["0"]
    data = {"index": "0", "kind": "amd", "name": "AMD INSTINCT MI250X", "uuid": "8e4f1a2b3c4d5e6f", "cpus": [0, 1, 8]}
    assert notes == [("device", "accelerator 0: AMD INSTINCT MI250X", data)]


@pytest.mark.parametrize(
    "missing", ["mem_busy_percent", "hwmon/hwmon3/power1_average", "unique_id", "ras/umc_err_count"]
)
def test_a_file_that_is_missing_costs_no_other_metric(tmp_path: Path, missing: str) -> None:
    """Absent, not zero."""
    a_card(tmp_path, 0, "0000:c1:00.0", {name: text for name, text in MI250.items() if name != missing})
    driver = open_amd(None, lambda note: None, str(tmp_path / "drm"))
    assert driver is not None
    found = driver.read(slow=True)["0"]
    lost = {"mem_busy_percent": "hbm_bw", "hwmon/hwmon3/power1_average": "power", "ras/umc_err_count": "ecc_errors"}
    assert lost.get(missing) not in found
    assert len(found) == 14 - (missing in lost)


def test_cards_are_numbered_in_pci_order_and_other_makers_are_none(tmp_path: Path) -> None:
    """card0 may be the mainboard's graphics; ROCR_VISIBLE_DEVICES counts AMD's own from 0, or names a device."""
    a_card(tmp_path, 0, "0000:01:00.0", {**MI250, "vendor": "0x1a03\n"})
    a_card(tmp_path, 1, "0000:d1:00.0", {**MI250, "gpu_busy_percent": "2\n", "unique_id": "d1\n"})
    a_card(tmp_path, 2, "0000:c1:00.0", {**MI250, "gpu_busy_percent": "1\n", "unique_id": "c1\n"})

    def read(listed: str | None) -> dict[str, float]:
        driver = open_amd(listed, lambda note: None, str(tmp_path / "drm"))
        found = driver.read(slow=False) if driver else {}
        return {index: metrics["util"] for index, metrics in found.items()}

    assert read(None) == {"0": 1, "1": 2}
    assert read("1") == read("GPU-d1") == {"1": 2}
    assert read("7") == {}
