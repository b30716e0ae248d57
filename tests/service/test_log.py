"""The service's own log has a bound, and takes what anybody prints."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from jupyter_aicci.service.log import LIMIT_BYTES

TALKS = """
import logging, os, sys
from pathlib import Path
from jupyter_aicci.service.log import redirect, set_up
path = Path(sys.argv[1])
redirect(path)
set_up(path)
print("printed", flush=True)
os.system("echo by a child")
for number in range(int(sys.argv[2])):
    logging.getLogger("aicci.service").info("%s %d", "x" * 1000, number)
raise SystemExit("the last word")
"""


def talk(path: Path, lines: int) -> None:
    done = subprocess.run([sys.executable, "-c", TALKS, str(path), str(lines)], env=os.environ, capture_output=True)
    assert done.stdout == done.stderr == b""


def test_output_and_errors_go_to_the_log(tmp_path: Path) -> None:
    """Our news, what is printed, what a child prints, and how it ended."""
    talk(tmp_path / "service.log", 1)
    text = (tmp_path / "service.log").read_text()
    for word in ("printed", "by a child", "INFO xxx", "the last word"):
        assert word in text
    assert (tmp_path / "service.log").stat().st_mode & 0o777 == 0o600


def test_the_log_has_a_bound(tmp_path: Path) -> None:
    """One file and the one before it, however long it talks; the newest is kept."""
    talk(tmp_path / "service.log", 3500)
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["service.log", "service.log.1"]
    assert all(path.stat().st_size < LIMIT_BYTES + 5000 for path in tmp_path.iterdir())
    text = (tmp_path / "service.log").read_text()
    assert " 3499\n" in text
    assert text.endswith("the last word\n")
