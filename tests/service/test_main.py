"""The service's process."""

from __future__ import annotations

import subprocess
import sys

SHOW = """
import resource
from jupyter_aicci.service.main import allow_open_files
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
allow_open_files()
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
"""


def test_the_service_may_open_as_many_files_as_are_allowed() -> None:
    """A shell's usual limit would be a few live runs."""
    subprocess.run([sys.executable, "-c", SHOW], check=True, timeout=60)
