"""Failures of five kinds in a random rank of four: the verdict names that rank, and the cell's line where there is an exception.

Kinds: an exception; an exception whose clean-up takes longer than the other ranks live; SIGKILL; os._exit; and one that comes to
the rank from elsewhere: out of a thread pool, a worker process, or while the others wait in a collective of torch.
AICCI_STORM=full is 200 failures, 40 of each kind.
"""

from __future__ import annotations

import importlib.util
import os
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from live import a_client
from storm_checks import survivors

from jupyter_aicci.client import Client, Program, Run
from jupyter_aicci.model.spec import parse_spec
from jupyter_aicci.model.states import TERMINAL

PER_KIND = 40 if os.environ.get("AICCI_STORM") == "full" else 6
SEED = int(os.environ.get("AICCI_STORM_SEED", "1"))
AT_ONCE = 3
RANKS = 4
END_S = 120.0
LAYOUTS = ((1, 4), (2, 2), (4, 1))  # nodes, ranks on each

OPENING = """import os, signal, sys, time
GUILTY, STEP = {guilty}, {step}
{helpers}
{imports}
for step in range(1000):
    {meets}
    {logs}
    if aicci.rank == GUILTY and step == STEP:
{fails}
    time.sleep(0.005)
"""
MEETS = {
    "collective": "total = aicci.allreduce(step)",
    "apart": "total = sum(range(step))",
    "gloo": "dist.all_reduce(tensor)",
}
IMPORTS = {
    "gloo": "import torch, torch.distributed as dist\ndist.init_process_group('gloo')\ntensor = torch.ones(4)",
    "pool": "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(2)",
    "process": "import multiprocessing\nworkers = multiprocessing.get_context('fork').Pool(1)",
}
HELPERS = "def work(batch):\n    raise ValueError('bad batch %d' % batch)  # the line\n"
FAILS = {
    "raises": "        raise ValueError('bad batch')  # the line",
    "cleans up": (
        "        try:\n"
        "            raise ValueError('bad batch')  # the line\n"
        "        finally:\n"
        "            {cleanup}\n"
        "            time.sleep({cleanup_s})"
    ),
    "is killed": "        os.kill(os.getpid(), signal.SIGKILL)",
    "exits": "        os._exit(3)",
    "pool": "        pool.submit(work, step).result()",
    "process": "        workers.apply(work, (step,))",
    "gloo": "        raise ValueError('bad batch')  # the line",
}
KINDS = ("raises", "cleans up", "is killed", "exits", "comes from elsewhere")


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """One failure: what the cell does, who does it, and the line that has to be named (0 = there is no exception)."""

    kind: str
    how: str  # key of FAILS
    meets: str  # key of MEETS
    text: str
    guilty: int
    line: int
    cell: int
    layout: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.kind} ({self.how}, {self.meets}, {self.layout[0]} nodes), rank {self.guilty}, line {self.line}"


def drawn(rng: random.Random, kind: str, *, with_torch: bool) -> Injected:
    """One failure of a kind, everything else by chance."""
    meets, how, cleanup = rng.choice(("collective", "apart")), kind, "pass"
    if kind == "comes from elsewhere":
        how = rng.choice(("pool", "process", "gloo") if with_torch else ("pool", "process"))
        meets = "gloo" if how == "gloo" else meets
    if kind == "cleans up" and with_torch and rng.random() < 0.25:
        meets, cleanup = "gloo", "dist.destroy_process_group()"
    guilty, first_line = rng.randrange(RANKS), rng.choice((1, 2, 5))
    fails = FAILS[how].format(cleanup=cleanup, cleanup_s=rng.choice((0.2, 1.2, 30.0)))
    imports = "\n".join(IMPORTS[name] for name in dict.fromkeys((meets, how)) if name in IMPORTS)
    text = OPENING.format(
        imports=imports, guilty=guilty, step=rng.randrange(8), helpers=HELPERS if how in ("pool", "process") else "",
        meets=MEETS[meets], logs=rng.choice(("aicci.log(step=step, loss=1.0 / (step + 1))", "pass")), fails=fails,
    )  # fmt: skip
    lines = text.splitlines()
    line = next((index for index, code in enumerate(lines) if code.endswith("# the line")), -1)
    return Injected(
        kind=kind, how=how, meets=meets, text=text, guilty=guilty, line=line + first_line if line >= 0 else 0,
        cell=rng.randrange(1, 200), layout=rng.choice(LAYOUTS),
    )  # fmt: skip


def submit(client: Client, injected: Injected) -> Run:
    nodes, ranks_per_node = injected.layout
    first_line = injected.line - injected.text.splitlines().index(_line_text(injected)) if injected.line else 1
    spec = parse_spec({
        "framework": "torch" if injected.meets == "gloo" else "plain", "python": sys.executable, "grace": 2.0, "retries": 0,
        "shape": f"cpux{ranks_per_node}", "nodes": nodes, "ranks_per_node": ranks_per_node,
        "cell_name": f"Cell In[{injected.cell}]", "cell_first_line": first_line,
    })  # fmt: skip
    return client.submit(spec, Program(text=injected.text))


def _line_text(injected: Injected) -> str:
    return next(code for code in injected.text.splitlines() if code.endswith("# the line"))


def wrongs(run: Run, injected: Injected) -> list[str]:
    """What is wrong with the verdict on one failure."""
    details = run.details()
    verdict, found = details["verdict"] or {}, []
    if details["state"] != "failed":
        found.append(f"it is {details['state']}")
    if verdict.get("rank") != injected.guilty:
        found.append(f"rank {verdict.get('rank')} is named: {verdict.get('text')}")
    words = f"Cell In[{injected.cell}], line {injected.line}"
    if injected.line and words not in str(verdict.get("tail")):
        found.append(f"the traceback lacks {words}:\n{verdict.get('tail')}")
    if injected.line and injected.how != "process" and not str(verdict.get("where")).startswith(words):
        found.append(f"it happened at {verdict.get('where')}, not {words}")
    if injected.line and "ValueError: bad batch" not in str(verdict.get("text")):
        found.append(f"the exception is not named: {verdict.get('text')}")
    exits = [
        (e["rank"], e["code"], e["signal"], e["by_us"], bool(e["error"])) for e in details["attempts"][-1]["exits"]
    ]
    return [f"{run.id}, {injected}: {text}; exits {exits}" for text in found]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("AICCI_LOCAL_CPUS", str(AT_ONCE * RANKS))
    with a_client() as client:
        yield client


@pytest.mark.storm
@pytest.mark.timeout(900)
def test_the_guilty_rank_is_named_in_every_failure(client: Client) -> None:
    """Right rank, right line, of all five kinds, without an exception."""
    rng = random.Random(SEED)
    with_torch = importlib.util.find_spec("torch") is not None
    todo = [drawn(rng, kind, with_torch=with_torch) for kind in KINDS for _ in range(PER_KIND)]
    rng.shuffle(todo)
    total, began_s = len(todo), time.monotonic()
    going: dict[str, tuple[Run, Injected]] = {}
    found, right = list[str](), dict.fromkeys(KINDS, 0)
    while todo or going:
        while todo and len(going) < AT_ONCE:
            injected = todo.pop()
            run = submit(client, injected)
            going[run.id] = (run, injected)
        ended = {row["id"] for row in client.runs() if row["state"] in TERMINAL}
        for run_id in ended & going.keys():
            run, injected = going.pop(run_id)
            wrong = wrongs(run, injected)
            found += wrong
            right[injected.kind] += not wrong
        if not ended & going.keys():
            time.sleep(0.02)
        assert time.monotonic() - began_s < END_S + total * 3.0, (
            f"{[str(each) for _, each in going.values()]} do not end"
        )
    print(
        f"\nroot cause: {sum(right.values())} of {total}, {right}, {time.monotonic() - began_s:.0f} s", file=sys.stderr
    )
    assert not found, f"{len(found)} wrong of {total}:\n" + "\n".join(found)
    assert survivors(client.home) == []
