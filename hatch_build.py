"""Build hook: puts the labextension and the page's half of `run.widget()` into wheel and sdist, building them where they are not.

`AICCI_SKIP_JS=1` leaves them out: for work on the Python side, on machines without node. What is built already is used as it is
(`tools/dev` keeps one per content of the sources); `rm -r jupyter_aicci/labextension` asks for new ones.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "jupyter-aicci"
WIDGET = ("jupyter_aicci/client/widget.js", "jupyter_aicci/client/widget.css")
TARGET = f"share/jupyter/labextensions/{NAME}"


class LabextensionHook(BuildHookInterface):
    """Called by hatchling before it packs anything."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if os.environ.get("AICCI_SKIP_JS") == "1":
            return
        root = Path(self.root)
        built = root / "jupyter_aicci" / "labextension"
        needed = [built / "package.json", *(root / name for name in WIDGET)]
        if not all(path.exists() for path in needed):
            from hatch_jupyter_builder import npm_builder

            npm_builder(
                self.target_name, version, path=str(root / "labextension"), build_cmd="build:prod", npm=["jlpm"]
            )
        build_data["artifacts"] += WIDGET  # which git ignores, and hatchling would
        if self.target_name == "wheel":
            build_data["shared_data"][str(built)] = TARGET
            build_data["shared_data"][str(root / "labextension" / "install.json")] = f"{TARGET}/install.json"
        else:
            build_data["artifacts"].append("jupyter_aicci/labextension")  # so that a wheel from the sdist needs no node
