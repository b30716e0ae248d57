"""`import aicci` in a worker that a rank spawned: the same module as in the rank, where `sys.modules` has it already.

This directory is at the end of the rank's `sys.path`, which multiprocessing hands to its children.
"""

import importlib
import os
import sys

sys.modules[__name__] = importlib.import_module(os.environ["AICCI_API"])
