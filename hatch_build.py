"""Build hook: puts the labextension into wheel and sdist, building it where it is not built yet.

`AICCI_SKIP_JS=1` leaves it out: for work on the Python side, on machines without node. What is built already is used as it is
(`tools/dev` keeps one per content of the sources); `rm -r jupyter_aicci/labextension` asks for a new one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "jupyter-aicci"
TARGET = f"share/jupyter/labextensions/{NAME}"


class LabextensionHook(BuildHookInterface):
    """Called by hatchling before it packs anything."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if os.environ.get("AICCI_SKIP_JS") == "1":
            return
        root = Path(self.root)
        built = root / "jupyter_aicci" / "labextension"
        if not (built / "package.json").exists():
            from hatch_jupyter_builder import npm_builder

            npm_builder(
                self.target_name, version, path=str(root / "labextension"), build_cmd="build:prod", npm=["jlpm"]
            )
        if self.target_name == "wheel":
            build_data["shared_data"][str(built)] = TARGET
            build_data["shared_data"][str(root / "labextension" / "install.json")] = f"{TARGET}/install.json"
        else:
            build_data["artifacts"].append("jupyter_aicci/labextension")  # so that a wheel from the sdist needs no node
