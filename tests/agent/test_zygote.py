"""Warm starts: forks of a process that has imported the framework, and every reason not to fork."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from node_builders import Node, a_node

from jupyter_aicci.agent.identity import Claim, alive, claim_from_json
from jupyter_aicci.agent.warmkey import at_import, key

SHOWS = (
    "import os, sys\nprint('warm' if 'aicci_warm' in sys.modules else 'cold', flush=True)\n"
    "open('ran-' + os.environ['RANK'], 'a').write('x')\n"
)


def a_warm_node(tmp_path: Path, text: str = SHOWS, *, packages: Path | None = None, **plan: Any) -> Node:
    """A node that may start warm. `packages` comes first in the ranks' module path."""
    env = {"PYTHONPATH": str(packages)} if packages else {}
    node = a_node(tmp_path, text, warm=True, env=env, **plan)
    node.env.pop("PYTHONPATH", None)
    return node


def another_run(node: Node, tmp_path: Path, text: str = SHOWS, **plan: Any) -> Node:
    """A node of another run, with the runtime directory, environment and interpreter of the first."""
    packages = node.plan["ranks"][0]["env"].get("PYTHONPATH", "")
    env = {"PYTHONPATH": packages} if packages else None
    fresh = a_node(tmp_path, text, warm=True, env=env, **{"runtime_dir": str(node.runtime), **plan})
    fresh.runtime, fresh.env = node.runtime, node.env
    return fresh


def key_of(plan: dict[str, Any]) -> str:
    """The key of a launch, as its agent computes it."""
    env = at_import(plan["ranks"][0]["env"])
    return key(plan["python"], plan["framework"], env, plan["runtime_dir"])


def zygotes(node: Node) -> list[tuple[Path, Claim]]:
    """The zygotes of a runtime directory that have loaded."""
    found = []
    for path in sorted(node.runtime.glob("zygote-*.json")):
        claim = claim_from_json(json.loads(path.read_text()).get("claim"))
        if claim and alive(claim):
            found.append((path, claim))
    return found


def ran(node: Node, ranks: int = 1) -> list[str]:
    return [(Path(node.plan["run_dir"]) / "src" / f"ran-{rank}").read_text() for rank in range(ranks)]


def cold_notes(node: Node) -> list[str]:
    return [frame["text"] for frame in node.frames("note") if frame["topic"] == "cold start"]


def test_the_second_run_is_forked_from_what_the_first_one_left(tmp_path: Path) -> None:
    """One zygote for both; the ranks find the framework imported, and say what they are in /proc."""
    text = SHOWS + (
        "print('numpy' in sys.modules, open('/proc/self/cmdline').read().strip('\\0'), "
        "'AICCI_NODE_DIR=' + os.environ['AICCI_NODE_DIR'] in open('/proc/self/environ').read().split('\\0'))\n"
    )
    first = a_warm_node(tmp_path / "1", text)
    first.agent().wait(60)
    (zygote,) = zygotes(first)
    second = another_run(first, tmp_path / "2", text)
    second.agent().wait(60)
    for node in (first, second):
        assert node.log().splitlines() == ["warm", "True aicci rank 0 r0000001 True"]
        assert node.exit(0)["code"] == 0
        assert cold_notes(node) == []
    assert zygotes(first) == [zygote]


def test_a_forked_rank_has_the_environment_and_the_descriptors_of_a_cold_one(tmp_path: Path) -> None:
    """Nothing of the zygote shows: variables, open files, signal handlers, session."""
    text = (
        "import os, signal, json, sys\n"  # LC_CTYPE: a cold interpreter sets it where no locale is set
        "env = {k: v for k, v in os.environ.items() if k not in ('AICCI_NODE_DIR', 'AICCI_API', 'HOME', 'LC_CTYPE')}\n"
        "handlers = [str(signal.getsignal(n)) for n in (signal.SIGCHLD, signal.SIGHUP, signal.SIGPIPE)]\n"
        "print(json.dumps([env, len(os.listdir('/proc/self/fd')), os.getsid(0) == os.getpid(), handlers,\n"
        "    sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])), sys.argv, os.path.basename(os.getcwd())]))\n"
    )
    warm = a_warm_node(tmp_path / "1", text)
    warm.agent().wait(60)
    cold = another_run(warm, tmp_path / "2", text)
    (cold.path / "plan.json").write_text(json.dumps({**cold.plan, "warm": False}))
    cold.agent().wait(60)
    seen = [json.loads(node.log()) for node in (warm, cold)]
    seen[1][5] = [word.replace("/2/", "/1/") for word in seen[1][5]]
    assert seen[0] == seen[1]


def test_agents_that_start_together_share_one_zygote(tmp_path: Path) -> None:
    """Four runs at once: one import, four warm starts."""
    first = a_warm_node(tmp_path / "0")
    nodes = [first, *(another_run(first, tmp_path / str(n)) for n in range(1, 4))]
    agents = [node.agent() for node in nodes]
    for agent in agents:
        assert agent.wait(60) == 0
    assert [node.log() for node in nodes] == ["warm\n"] * 4
    assert len(zygotes(first)) == 1


def test_a_package_that_was_touched_is_never_forked_from_before(tmp_path: Path) -> None:
    """A dist-info with another time: another key, another zygote, and the old one ends by itself when it is asked."""
    packages = tmp_path / "packages"
    (packages / "thing-1.0.dist-info").mkdir(parents=True)
    first = a_warm_node(tmp_path / "1", packages=packages)
    first.agent().wait(60)
    ((old_path, old),) = zygotes(first)
    before = key_of(first.plan)
    os.utime(packages / "thing-1.0.dist-info", ns=(1, 1))
    assert key_of(first.plan) != before
    second = another_run(first, tmp_path / "2")
    second.agent().wait(60)
    assert second.log() == "warm\n"
    new = [claim for path, claim in zygotes(second) if path != old_path]
    assert len(new) == 1
    assert new[0] != old


@pytest.mark.parametrize("change", ["install", "remove", "pth"])
def test_every_change_of_what_is_installed_is_another_key(tmp_path: Path, change: str) -> None:
    """Installed, removed, or a .pth written: the key is another one at once."""
    packages = tmp_path / "packages"
    (packages / "thing-1.0.dist-info").mkdir(parents=True)
    (packages / "thing.pth").write_text("")
    node = a_warm_node(tmp_path / "1", packages=packages)
    before = key_of(node.plan)
    assert key_of(node.plan) == before
    (packages / "__pycache__").mkdir()
    assert key_of(node.plan) == before, "what an import itself writes changes nothing"
    if change == "install":
        (packages / "other").mkdir()
    elif change == "remove":
        (packages / "thing-1.0.dist-info").rmdir()
    else:
        (packages / "thing.pth").write_text("import sys")
    assert key_of(node.plan) != before


def test_variables_that_are_read_at_import_are_part_of_the_key() -> None:
    """LD_LIBRARY_PATH and JAX_ENABLE_X64 are; who the rank is and how many threads it gets are not."""
    env = {
        "LD_LIBRARY_PATH": "/x",
        "JAX_ENABLE_X64": "1",
        "OMP_NUM_THREADS": "4",
        "RANK": "1",
        "MASTER_PORT": "2",
        "PYTHONHASHSEED": "0",
    }
    assert at_import(env) == {"LD_LIBRARY_PATH": "/x", "JAX_ENABLE_X64": "1", "PYTHONHASHSEED": "0"}


def test_what_cannot_be_imported_is_a_cold_start_with_a_reason(tmp_path: Path) -> None:
    """The zygote says why; the ranks start all the same."""
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "torch.py").write_text("raise ImportError('libcudart.so is missing')")
    node = a_warm_node(tmp_path / "1", packages=packages, framework="torch")
    node.agent().wait(60)
    assert node.log() == "cold\n"
    assert cold_notes(node) == ["cold start: importing torch failed: ImportError: libcudart.so is missing"]
    assert zygotes(node) == []


def test_a_process_with_a_second_thread_forks_nothing(tmp_path: Path) -> None:
    """A library that starts a thread at import: refused, cold, and said so."""
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "sitecustomize.py").write_text(
        "import sys, threading, time\n"
        "if 'zygote' in sys.orig_argv: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    )
    node = a_warm_node(tmp_path / "1", packages=packages)
    node.agent().wait(60)
    assert node.log() == "cold\n"
    assert cold_notes(node) == ["cold start: plain has started 1 threads"]


def test_a_zygote_killed_during_the_import_costs_only_time(tmp_path: Path) -> None:
    """kill -9 while agents wait for it: they start cold."""
    packages = tmp_path / "packages"
    packages.mkdir()
    note = tmp_path / "pid"
    (packages / "sitecustomize.py").write_text(
        "import sys, os, time\n"
        f"if 'zygote' in sys.orig_argv: open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)\n"
    )
    node = a_warm_node(tmp_path / "1", packages=packages)
    agent = node.agent()
    node.until(lambda: note.exists() and note.read_text())
    node.until(lambda: node.frames("progress"))
    os.kill(int(note.read_text()), signal.SIGKILL)
    assert agent.wait(60) == 0
    assert node.log() == "cold\n"
    assert node.frames("progress")[0]["text"].startswith("importing plain")
    assert cold_notes(node) == ["cold start: the zygote died"]


def test_zygotes_killed_at_random_moments_of_a_fork_lose_no_rank(tmp_path: Path) -> None:
    """Fifteen launches, the zygote killed 0 to 40 ms into each: every rank runs exactly once, every code is known."""
    chance = random.Random(7)
    first = a_warm_node(tmp_path / "0", ranks=2)
    first.agent().wait(60)
    for n in range(1, 16):
        node = another_run(first, tmp_path / str(n), ranks=2)
        agent = node.agent()
        time.sleep(chance.random() * 0.04)  # the moment of the kill, not a wait for anything
        for _, claim in zygotes(first):
            os.kill(claim.pid, signal.SIGKILL)
        assert agent.wait(60) == 0
        assert ran(node, 2) == ["x", "x"], node.story()
        assert [node.exit(rank)["code"] for rank in (0, 1)] == [0, 0]
        assert sorted(frame["rank"] for frame in node.frames("exit")) == [0, 1]


@pytest.mark.torch
def test_torch_is_there_in_a_forked_rank_and_computes(tmp_path: Path) -> None:
    """The zygote holds torch with dynamo; a rank's first backward pass and optimizer step work, with threads of its own."""
    text = (
        "import sys\nassert 'torch._dynamo' in sys.modules\nimport torch\ntorch.set_num_threads(2)\n"
        "m = torch.nn.Linear(300, 300)\no = torch.optim.AdamW(m.parameters())\n"
        "m(torch.ones(300, 300)).sum().backward(); o.step()\nprint('stepped', torch.get_num_threads())\n"
    )
    node = a_warm_node(tmp_path, text, framework="torch")
    node.agent().wait(110)
    assert node.log() == "stepped 2\n", node.story()
    assert cold_notes(node) == []


@pytest.mark.jax
def test_jax_is_there_in_a_forked_rank_and_computes(tmp_path: Path) -> None:
    """The zygote holds jax without a backend; a rank's first jitted call works."""
    text = "import sys\nassert 'jax' in sys.modules\nimport jax\nprint(int(jax.jit(lambda x: x + 1)(1)))\n"
    node = a_warm_node(tmp_path, text, framework="jax")
    node.agent().wait(110)
    assert node.log().splitlines()[-1] == "2", node.story()
    assert cold_notes(node) == []
