"""What is found in programs with a known fault, and what looking costs a step: ours beside gpuprof's rules.

Faults: the programs of tests/injected, one seed each; ours as `aicci` runs them, the peer's as its documentation says, with
`gpuprof.profile(...)` around the program, under torchrun where there are several ranks. Nothing here has a GPU, so the
peer's rules about kernels, clocks and MFU have nothing to read, as ours about accelerators have not.
A fault counts as named by the peer when the title of any of its insights, first or last, has one of the words in `WORDS`;
ours must be the first. In a healthy run the peer may say what it rates as low, ours nothing.
Overhead: the median step of one loop, alone, under ours and under the peer, in turns.
The peer comes from PyPI into a folder that goes again.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from common import arguments, own_house, report

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from injected.plan import rounds  # noqa: E402
from injected.programs import CLEAN, FAULTS, Case  # noqa: E402
from injected.runner import Outcome, run_round  # noqa: E402
from injected.surroundings import Unavailable, surrounded  # noqa: E402
from live import submit  # noqa: E402

from jupyter_aicci.client import Client  # noqa: E402

PEER = ("gpuprof==0.7.1", "psutil>=5.9")
PEER_LIMIT_S = 90.0  # a program that hangs is killed then
WORDS = {
    "slow worker": ("loader", "worker"),
    "two loader workers": ("loader", "worker"),
    "slow disk": ("loader", "i/o", "disk"),
    "CPU quota": ("quota", "throttl"),
    "leak": ("leak", "memory"),
    "hang": ("hang", "stuck"),
    "crash": ("restart", "crash", "replay"),
    "tiny batches": ("comm", "launch", "small batch"),
    "import stall": ("start", "warmup", "step 0"),
    "slow rank": ("rank", "skew", "straggler"),
    "full /dev/shm": ("shm", "shared memory"),
    "frequent checkpoints": ("checkpoint", "tail latency"),
}
STEPS = 1500
Found = tuple[Case, Outcome, list[str]]  # ours, and the titles of the peer's insights
LOOP = f"""
import statistics, time
import torch
torch.manual_seed(0)
torch.set_num_threads(1)  # a rank has as many as its shape has CPUs; here all have one
model = torch.nn.Sequential(*[torch.nn.Linear(256, 256) for _ in range(4)])
optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
data, took_s = torch.randn(128, 256), []
for step in range({STEPS}):
    began_s = time.perf_counter()
    optimizer.zero_grad()
    model(data).square().mean().backward()
    optimizer.step()
    took_s.append(time.perf_counter() - began_s)
print("median_s", statistics.median(took_s[100:]), flush=True)
"""


def main() -> None:
    found: list[Found] = []
    with own_house() as house:
        peers = _install(house / "peers")
        for number, case in enumerate((*FAULTS, *CLEAN)):
            ours = _ours(case, _folder(house, f"ours-{number}"))
            theirs = _theirs(case, _folder(house, f"theirs-{number}"), peers)
            _say(case, ours, theirs)
            found.append((case, ours, theirs))
        steps_s = _steps(house, peers)
    report("findings", _figures(found) | _overhead(steps_s))


def _folder(house: Path, name: str) -> Path:
    (house / name).mkdir()
    return house / name


def _install(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), *PEER]
    subprocess.run(command, check=True)
    return folder


def _ours(case: Case, here: Path) -> Outcome:
    told: list[Outcome] = []
    run_round(rounds([case], [0])[0], here, told.append)
    return told[0]


def _theirs(case: Case, here: Path, peers: Path) -> list[str]:
    """The titles of all of the peer's insights, [] where the program did not come to its end."""
    try:
        with surrounded(case.within, here) as before:
            _run([*before, *_launcher(case)], _wrapped(case.text(seed=0, scratch=str(here))), here, peers)
    except Unavailable as error:
        return [f"not run: {error}"]
    return _insights(here, peers)


def _launcher(case: Case) -> list[str]:
    if case.ranks == 1:
        return [sys.executable]
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={case.ranks}"]


def _wrapped(text: str) -> str:
    inside = "\n".join(f"    {line}" for line in text.splitlines())
    return f"import gpuprof\nwith gpuprof.profile('run', db_path='gpuprof.db', summary=False):\n{inside}\n"


def _run(command: list[str], text: str, here: Path, peers: Path | None) -> str:
    """Its output; it is killed with all its processes when it takes too long."""
    (here / "program.py").write_text(text)
    env = {**os.environ, "RANK": "0", "AICCI_ATTEMPT": "1"} | ({"PYTHONPATH": str(peers)} if peers else {})
    with (here / "output").open("w") as output:
        process = subprocess.Popen(
            [*command, "program.py"], cwd=here, env=env, stdout=output, stderr=output, start_new_session=True
        )
        try:
            process.wait(PEER_LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return (here / "output").read_text()


READ = """
import json, sqlite3, sys
from gpuprof.insights import analyze, analyze_group
rows = sqlite3.connect("gpuprof.db").execute("SELECT id, group_id FROM runs ORDER BY id").fetchall()
found = [each for run, _ in rows for each in analyze("gpuprof.db", run)["insights"]]
for group in {group for _, group in rows if group}:
    found += analyze_group("gpuprof.db", group)["insights"]
print(json.dumps(list(dict.fromkeys(f"[{each['severity']}] {each['title']}" for each in found))))
"""


def _insights(here: Path, peers: Path) -> list[str]:
    env = {**os.environ, "PYTHONPATH": str(peers)}
    done = subprocess.run([sys.executable, "-c", READ], cwd=here, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        return [f"no report: {(done.stderr.strip() or 'nothing').splitlines()[-1]}"]
    titles: list[str] = json.loads(done.stdout.splitlines()[-1])
    return titles


def _named(case: Case, titles: list[str]) -> bool:
    """Whether the peer names the fault; of a healthy run, whether it finds nothing that it rates higher than low."""
    low = [title.lower() for title in titles]
    if not case.expects:
        return all(title.startswith("[low]") for title in low)
    said = [title for title in low if title.startswith("[") and "] no " not in title]  # "no rank skew detected"
    return any(word in title for title in said for word in WORDS[case.name])


def _say(case: Case, ours: Outcome, theirs: list[str]) -> None:
    said = ours.problem or ours.unavailable or (f"{ours.ids[0]} {ours.found[0]['text']}" if ours.found else "nothing")
    print(f"{case.name}\n    ours  {'✓' if ours.right else '✗'} {said}")
    print(f"    peer  {'✓' if _named(case, theirs) else '✗'} {'; '.join(theirs) or 'nothing'}", flush=True)


def _figures(found: list[Found]) -> dict[str, Any]:
    faults, healthy = ([one for one in found if bool(one[0].expects) == fault] for fault in (True, False))
    return {
        "faults": len(faults),
        "ours_named_first": sum(ours.right for _, ours, _ in faults),
        "peer_named": sum(_named(case, theirs) for case, _, theirs in faults),
        "healthy": len(healthy),
        "ours_silent": sum(ours.right for _, ours, _ in healthy),
        "peer_silent": sum(_named(case, theirs) for case, _, theirs in healthy),
        "ours_missed": [case.name for case, ours, _ in faults if not ours.right],
        "peer_missed": [case.name for case, _, theirs in faults if not _named(case, theirs)],
    }


def _steps(house: Path, peers: Path) -> dict[str, list[float]]:
    """Median steps of the loop, three turns of each."""
    found: dict[str, list[float]] = {"alone": [], "ours": [], "peer": []}
    for turn in range(3):
        for name in found:
            here = _folder(house, f"steps-{name}-{turn}")
            if name == "ours":
                run = submit(Client(), LOOP, framework="torch")
                run.wait(PEER_LIMIT_S)
                text = run.logs()
            else:
                text = _run([sys.executable], _wrapped(LOOP) if name == "peer" else LOOP, here, peers)
            found[name].append(float(text.rpartition("median_s")[2].split()[0]))
    return found


def _overhead(steps_s: dict[str, list[float]]) -> dict[str, Any]:
    middle = {name: statistics.median(values) for name, values in steps_s.items()}
    return {
        "step_alone_s": round(middle["alone"], 6),
        "step_ours_s": round(middle["ours"], 6),
        "step_peer_s": round(middle["peer"], 6),
        "ours_ratio": round(middle["ours"] / middle["alone"], 4),
        "peer_ratio": round(middle["peer"] / middle["alone"], 4),
    }


if __name__ == "__main__":
    arguments()
    main()
