"""Pollux's tables for tests, by the benchmark's own reader."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_PATH = Path(__file__).resolve().parent.parent / "benchmarks" / "pollux.py"
_spec = importlib.util.spec_from_file_location("pollux_reader", _PATH)
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
sys.modules["pollux_reader"] = _module
_spec.loader.exec_module(_module)
case, MODELS = _module.case, _module.MODELS
