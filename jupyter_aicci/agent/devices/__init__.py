"""Accelerators of this node: found by the files of their drivers, read by a thread of their own."""

from __future__ import annotations

from .reader import find_reader

__all__ = ["find_reader"]
