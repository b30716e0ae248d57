"""From a cell to the first optimizer step on two torch ranks, warm and cold, against torchrun in the same run.

The very same file runs under both: the cell goes through `%%aicci train` of a real IPython shell and the service,
torchrun is started as a command. Counted is the time until both ranks have made their step.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
from pathlib import Path

from common import arguments, boot_s, own_house, processes_with, report, spread, until
from programs import FIRST_STEP

COLD_STARTS = 3  # of each: ours and torchrun's, in turn


def steps_at(folder: Path) -> list[float]:
    """When each rank had made its step, or nothing while one has not."""
    texts = [path.read_text() for path in folder.glob("step-*")]
    return [float(text) for text in texts] if len(texts) == 2 and all(texts) else []


def aicci_s(shell: object, folder: Path) -> float:
    """One launch from the magic, waited for to its end; the time until the later rank's step."""
    folder.mkdir()
    began_s = boot_s()
    done = shell.run_cell(f"%%aicci train --ranks-per-node 2 --env BENCH_OUT={folder}\n{FIRST_STEP}")
    done.raise_error()
    return max(until("both ranks' first step", lambda: steps_at(folder))) - began_s


def end_zygotes(root: Path) -> None:
    """What was imported for this house is gone: the next launch is cold."""
    for pid in processes_with(str(root)):
        if b"aicci zygote" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)


def torchrun_s(folder: Path) -> float:
    """One launch by torchrun, the way its documentation says for one machine."""
    folder.mkdir()
    program = folder / "program.py"
    program.write_text(FIRST_STEP)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(program)]
    began_s = boot_s()
    done = subprocess.run(command, env={**os.environ, "BENCH_OUT": str(folder)}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"torchrun failed: {done.stderr[-2000:]}")
    return max(steps_at(folder)) - began_s


def main() -> None:
    launches = arguments().launches
    with own_house() as root:
        from IPython.core.interactiveshell import InteractiveShell

        shell = InteractiveShell.instance()
        shell.run_line_magic("load_ext", "jupyter_aicci")
        cold_s, peer_s = [], []
        for i in range(COLD_STARTS):
            cold_s.append(aicci_s(shell, root / f"cold-{i}"))
            end_zygotes(root)
            peer_s.append(torchrun_s(root / f"torchrun-{i}"))
        aicci_s(shell, root / "warming")
        warm_s = [aicci_s(shell, root / f"warm-{i}") for i in range(launches)]
    peer_median_s = statistics.median(peer_s)
    figures = {
        "launches": launches,
        **spread("warm_first_step", warm_s),
        "cold_first_steps_s": [round(seconds, 2) for seconds in cold_s],
        "torchrun_first_steps_s": [round(seconds, 2) for seconds in peer_s],
        "times_faster_than_torchrun": round(peer_median_s / statistics.median(warm_s), 1),
        "cold_against_torchrun_ratio": round(statistics.median(cold_s) / peer_median_s, 2),
    }
    report("launch", figures)


if __name__ == "__main__":
    main()
