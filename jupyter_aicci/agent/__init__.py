"""What runs beside and around the ranks: agent, zygote, keeper, and the part inside each rank.

Rule 1: standard library only, and nothing of the rest of the package: the same files run in any image that has a Python.
Rule 2: imports are relative, because the package has two names: `jupyter_aicci.agent`, and `aicci_agent` in the zipapp.
Rule 3: no dataclasses, no typing at run time in what agent and keeper import: their start is part of every run's start.
The rest of the package imports `frames`, `files`, `identity`, `checkpoints` and `values` only.
"""
