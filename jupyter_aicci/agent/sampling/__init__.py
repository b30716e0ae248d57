"""What ranks, node, network and accelerators use, once a second: `Sampler` is the room's one door."""

from __future__ import annotations

from .sampler import Sampler

__all__ = ["Sampler"]
