"""The main job, once: train examples/digits_jax.py on two ranks through `aicci run`, then show picture and bill.

It has a home of its own in build/demo, with a price, so that the bill is not zero and nobody's own runs are touched.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "build" / "demo"
PICTURE = DEMO / "digits.png"
PRICES = """\
# The demo's own prices, so that there is a bill to look at.
[prices]
currency = "USD"
"*" = "0.36" # per node and hour: 0.01 cents a second
"""
PROGRAM = "examples/digits_jax.py"


def environment() -> dict[str, str]:
    """This process's environment with the demo's home and runtime in it."""
    return {**os.environ, "AICCI_HOME": str(DEMO / "home"), "AICCI_RUNTIME": str(DEMO / "run")}


def aicci(*words: str) -> int:
    """One command, shown as a person would type it; its output goes straight to the terminal."""
    print(f"\n$ aicci {' '.join(words)}", flush=True)
    return subprocess.run(
        [str(Path(sys.executable).with_name("aicci")), *words], env=environment(), cwd=ROOT
    ).returncode


def draw() -> None:
    """The finished run's picture, into PICTURE."""
    from jupyter_aicci.client import Client

    os.environ.update(environment())
    PICTURE.write_bytes(Client().run("digits").picture())


def main() -> int:
    """Exit status of the run; nothing is shown of a run that did not succeed but its own words."""
    (DEMO / "home").mkdir(parents=True, exist_ok=True)
    (DEMO / "home" / "config.toml").write_text(PRICES, "utf-8")
    try:
        print("\nThe price is an example, $0.36 per node and hour; a machine's own shapes are free until you set one.")
        status = aicci("run", "--nodes", "2", "--name", "digits", PROGRAM)
        if status == 0:
            draw()
            aicci("cost", "digits")
    finally:
        aicci("service", "stop")
    if status == 0:
        shown = PICTURE.relative_to(ROOT)
        print(f"\nThe run's picture: {shown}")
        print("The same in JupyterLab, with this run in its list: ./tools/dev lab")
    return status


if __name__ == "__main__":
    sys.exit(main())
