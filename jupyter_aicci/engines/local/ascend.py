"""Ascend's rank table on this host: written where there are NPUs whose addresses are known.

In: the placement and /etc/hccn.conf (`address_0=192.168.1.8`). Out: the path of the table, "" where none is needed or can be made.
"""

from __future__ import annotations

from pathlib import Path

from jupyter_aicci.agent.files import write_json
from jupyter_aicci.model.placement import Placement
from jupyter_aicci.provision import rank_table

HCCN = Path("/etc/hccn.conf")


def write_rank_table(placement: Placement, run_dir: Path, attempt: int, hccn: Path = HCCN) -> str:
    """The path of the attempt's rank table; "" without NPUs, or where an address is missing (one node then goes on without it)."""
    if not placement.shape.accelerator.startswith("ascend"):
        return ""
    try:
        known = parse_addresses(hccn.read_text(encoding="utf-8"))
        table = rank_table(placement, device_ips={
            (node.index, device): address for node in placement.nodes for device, address in known.items()
        })  # fmt: skip
    except (OSError, ValueError):
        return ""
    path = run_dir / f"rank-table-{attempt}.json"
    write_json(path, table)
    return str(path)


def parse_addresses(text: str) -> dict[str, str]:
    """{"0": "192.168.1.8"} of the `address_0=` lines."""
    pairs = (line.split("=", 1) for line in text.splitlines() if line.startswith("address_") and "=" in line)
    return {name.removeprefix("address_").strip(): address.strip() for name, address in pairs}
