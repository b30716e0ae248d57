"""jupyter-aicci: distributed training launched, watched and paid for from a notebook cell.

This file stays light (standard library only): the agent, the CLI and `%load_ext` all import it first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_aicci.client.replays import Replayed

__version__ = "0.1.0"


def replay(trace: str | Path, **options: Any) -> Replayed:
    """Play a trace of jobs through the scheduler, in virtual time; the answer has `.summary` and the frames `.jobs`, `.use`.

    The options are those of `aicci replay`: format, policy, nodes, gpus, cluster, restart_costs, placement, seed.
    """
    from jupyter_aicci.client.replays import replay

    return replay(trace, **options)


def load_ipython_extension(ipython: Any) -> None:
    """Register `%aicci` and `%%aicci` in the running IPython shell (`%load_ext jupyter_aicci`)."""
    from jupyter_aicci.magics import load

    load(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """Take the magics and their completions out again."""
    from jupyter_aicci.magics import unload

    unload(ipython)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from jupyter_aicci.extension import AicciApp

    return [{"module": "jupyter_aicci", "app": AicciApp}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "jupyter-aicci"}]
