"""Plans of what a placed attempt gets on its nodes: so far the environment of its ranks and Ascend's rank table.

Rule: functions of their arguments; no I/O, no clock, no randomness. Imports `model` only.
"""

from jupyter_aicci.provision.environment import (
    launcher_environment,
    ports_needed,
    rank_environment,
    rank_table,
)

__all__ = ["launcher_environment", "ports_needed", "rank_environment", "rank_table"]
