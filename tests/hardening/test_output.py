"""Programs that print too much, too fast, or over their own line."""

from __future__ import annotations

from pathlib import Path

from cell_runner import Notebook
from hard_cases import aicci, logged
from live import ended, submit, until

from jupyter_aicci.agent.identity import read_claim
from jupyter_aicci.client import Client
from jupyter_aicci.model.states import TERMINAL, State
from jupyter_aicci.store.logs import display_lines

MB = 1_000_000
ENDLESS = """
import os, time
block = b"x" * (1 << 20)
for _ in range(1024):
    os.write(1, block)
os.write(1, b"the end")
while not os.path.exists({flag!r}):
    aicci.log(beat=1)
    time.sleep(0.02)
"""
TQDM = """
import sys
from tqdm import tqdm
for step in tqdm(range(3000), mininterval=0, miniters=1, ncols=60, desc="epoch"):
    if step == 2500:
        raise ValueError("no more")
"""
CHATTY = """
import time
start_s = time.monotonic()
for tick in range(200):
    for line in range(100):
        print("rank", aicci.rank, "tick", tick, "line", line)
    aicci.log(step=tick, tick=tick)
    time.sleep(max(0.0, start_s + (tick + 1) * 0.01 - time.monotonic()))
"""


def peak_bytes(pid: int) -> int:
    """The largest resident set that the process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def test_a_gigabyte_without_a_newline_stays_within_the_log_budget(client: Client, tmp_path: Path) -> None:
    """On disk, in the agent's and the service's memory, and on the screen; the end of it is what is shown."""
    flag = tmp_path / "flag"
    run = submit(client, ENDLESS.format(flag=str(flag)))
    node_dir = client.home.node_dir(run.id, 1, 0)
    log = node_dir / "rank-0.log"
    until(lambda: run.logs(tail_bytes=100).endswith("the end"))
    until(lambda: log.stat().st_blocks * 512 < 80 * MB, limit_s=5)
    assert log.stat().st_size == (1 << 30) + 7
    assert run.view().log["text"].endswith("the end")  # type: ignore[index]
    assert len(run.view().log["text"]) <= 16_384  # type: ignore[index]
    agent = read_claim(node_dir / "agent.claim")
    assert agent is not None
    assert peak_bytes(agent.pid) < 40 * MB
    assert peak_bytes(int(client.status()["pid"])) < 120 * MB
    flag.touch()
    assert ended(run)["state"] == "succeeded"
    assert sum(path.stat().st_blocks * 512 for path in client.home.run_dir(run.id).rglob("*")) < 80 * MB
    status, out, _ = aicci("logs", run.id)
    assert status == 0
    assert out.endswith("the end")
    assert "of older output are not kept" in out


def test_tqdm_is_one_line_wherever_its_end_is_shown(client: Client, notebook: Notebook, tmp_path: Path) -> None:
    """In the report of a failed run and in the log on the chart; the log itself is as the program wrote it."""
    (tmp_path / "bar.py").write_text(TQDM)
    status, _, err = aicci("run", "--detach", "--name", "bar", "bar.py", cwd=tmp_path)
    assert status == 0, err
    run = client.run("bar")
    assert ended(run)["exit_class"] == "user error"
    assert run.logs().count("\r") > 2000
    bar, *rest = display_lines(run.view().log["text"])  # type: ignore[index]
    assert bar.startswith("epoch:")
    assert "2500/3000" in bar
    assert "epoch" not in "".join(rest)
    out = notebook.run("%aicci attach bar")
    report = "\n".join(out.traceback)
    assert out.error == "RunFailed"
    assert report.count("epoch:") == report.count("2500/3000") == 1
    assert "ValueError: no more" in report


def test_eight_ranks_that_print_all_the_time_lose_no_metric(client: Client) -> None:
    """10,000 lines a second each: every value of every rank is kept, once and in order, and every line is in its log."""
    run = submit(client, CHATTY, ranks_per_node=8, shape="cpux8")
    until(lambda: run.state is State.RUNNING or run.state in TERMINAL)
    assert ended(run)["state"] == "succeeded"
    values = logged(client, run, "tick")
    assert values == {f"attempt-1/node-0/rank-{rank}": list(range(200)) for rank in range(8)}
    for rank in range(8):
        lines = run.logs(rank, tail_bytes=10 * MB).splitlines()
        assert (len(lines), lines[-1]) == (20_000, f"rank {rank} tick 199 line 99")
