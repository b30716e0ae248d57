"""The local engine: nodes are directories on this disk, agents and ranks are processes of this host."""

from jupyter_aicci.engines.local.engine import LocalEngine

__all__ = ["LocalEngine"]
