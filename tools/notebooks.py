"""Writes examples/*.ipynb from the programs beside them, so that notebook and `aicci run` train the very same lines.

In: examples/NAME.py, its docstring as the notebook's first text. Out: examples/NAME.ipynb without outputs.
Rule: no clock and no random ids; equal programs give equal notebooks. `--check` writes nothing.
"""

from __future__ import annotations

import ast
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One program and what its notebook says around it."""

    program: str
    title: str
    magic: str


EXAMPLE_NOTEBOOKS = (
    Example(
        program="digits_jax",
        title="Digits on two ranks with JAX",
        magic="%%aicci train --nodes 2 --name digits-jax --pull history",
    ),
    Example(
        program="digits_torch_ddp",
        title="Digits on two ranks with PyTorch DDP",
        magic="%%aicci train --nodes 2 --name digits-torch --pull history",
    ),
    Example(
        program="plain_numpy",
        title="Digits on two ranks with nothing but numpy",
        magic="%%aicci train --nodes 2 --name digits-numpy --pull history",
    ),
)

RUN_IT = """\
Run the next cell.
`--nodes 2` asks for a gang of two nodes; on one machine that is two groups of processes with an agent each.
The chart below the cell is live: reload the page or restart the kernel while it runs, and it comes back whole.
Stop, pressed once, lets go of the run without ending it; pressed twice, it ends the run."""

BACK = "`--pull history` has bound rank 0's `history` in this notebook."

PLOT = """\
import matplotlib.pyplot as plt

figure, axis = plt.subplots(figsize=(7, 2.6))
axis.plot([row["accuracy"] for row in history], label="accuracy on unseen digits")
axis.plot([row["loss"] for row in history], label="loss of the epoch's last batch")
axis.set_xlabel("epoch")
axis.legend();"""

BILL = "What it cost: this machine's own shapes are free until a price is set (docs/how-to/set-a-price.md)."


def program_of(example: Example) -> tuple[str, str]:
    """(docstring, program without it) of an example."""
    source = (EXAMPLES / f"{example.program}.py").read_text("utf-8")
    tree = ast.parse(source)
    docstring = ast.get_docstring(tree)
    if docstring is None:
        raise SystemExit(f"examples/{example.program}.py needs a docstring: it is the notebook's first text")
    return docstring, "".join(source.splitlines(keepends=True)[tree.body[0].end_lineno :]).strip("\n")


def notebook(example: Example) -> str:
    """The notebook's JSON text."""
    docstring, program = program_of(example)
    name = example.magic.split("--name ")[1].split()[0]
    cells = [
        markdown("what", f"# {example.title}\n\n{docstring}"),
        markdown("how", RUN_IT),
        code("train", f"{example.magic}\n{program}"),
        markdown("back", BACK),
        code("plot", PLOT),
        markdown("bill", BILL),
        code("cost", f"%aicci cost {name}"),
    ]
    kernel = {"display_name": "Python (aicci)", "language": "python", "name": "aicci"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    body = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(body, indent=1, ensure_ascii=False) + "\n"


def markdown(cell_id: str, source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": cell_id, "metadata": {}, "source": source.splitlines(keepends=True)}


def code(cell_id: str, source: str) -> dict[str, Any]:
    empty = {"execution_count": None, "outputs": []}
    return {"cell_type": "code", "id": cell_id, "metadata": {}, "source": source.splitlines(keepends=True), **empty}


def stale() -> dict[str, str]:
    """The notebooks that differ from their program, with their new text."""
    fresh = {f"{example.program}.ipynb": notebook(example) for example in EXAMPLE_NOTEBOOKS}
    return {
        name: new
        for name, new in fresh.items()
        if not (EXAMPLES / name).exists() or (EXAMPLES / name).read_text("utf-8") != new
    }


def main() -> int:
    """Write what is stale, or with `--check` name it and exit 1."""
    check, changed = "--check" in sys.argv[1:], stale()
    for name, new in changed.items():
        print(("stale: " if check else "written: ") + f"examples/{name}")
        if not check:
            (EXAMPLES / name).write_text(new, "utf-8")
    return 1 if check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
