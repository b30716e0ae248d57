"""What hooks take inside a training program: a span, and two DDP ranks whose step is 10 ms long.

The program steps in short blocks: as it is watched, with our hooks taken out of its way, and under torch.profiler (the peer), in an
order that turns round each time, in one process. Told is the median of the differences between neighbouring blocks, with the 95 %
interval of the median: of the time on the clock, and of the CPU time of the thread that steps, which other work on the machine
moves less.
It is one model in all blocks: two of equal shape differ by 1 % of a step, as their weights lie differently in memory. Where a hook
at a parameter is taken off, an empty list of hooks stays, whose cost is not counted.
A span's peer is torch.profiler.record_function while nothing is recorded; both by CPU time.
On a machine with other work a step takes longer than 10 ms on the clock and waits of 50 ms are told one by one: `plain_step_wall_s`
says whether the figures are of the step that was meant.
"""

from __future__ import annotations

import json
import random
import statistics

from common import arguments, own_house, report, until

STEP_S = 0.010
SPAN_BATCHES = 40

PROGRAM = f"""\
import gc, json, os, pathlib, sys, time
import torch, torch.distributed as dist
from torch.utils.data import DataLoader

BLOCK, ROUNDS = 20, int(os.environ["BENCH_ROUNDS"])
SPANS = 5000
torch.set_num_threads(1)
dist.init_process_group("gloo")
rank = dist.get_rank()
network = torch.nn.Sequential(torch.nn.Linear(256, 256), torch.nn.Tanh(), torch.nn.Linear(256, 256))

Handle, at_parameter = torch.utils.hooks.RemovableHandle, []
made = Handle.__init__
def noting(self, hooks, **more):
    at_parameter.append(hooks)
    made(self, hooks, **more)
Handle.__init__ = noting  # our hook at one of the model's parameters hangs on these
model = torch.nn.parallel.DistributedDataParallel(network)
Handle.__init__ = made
assert len(at_parameter) == 1 and len(at_parameter[0]) == 1, "the hooks are not where this benchmark looks for them"
ours_at_parameter = dict(at_parameter[0])
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
ballast = torch.randn(256, 256)
batches = iter(DataLoader(torch.randn(1 << 20, 256), batch_size=32))
repeats = 1

def step():
    x = next(batches)
    with torch.no_grad():
        for _ in range(repeats):
            ballast @ ballast
    optimizer.zero_grad()
    model(x).square().mean().backward()
    optimizer.step()

def timed(steps):
    began, cpu = time.perf_counter(), time.thread_time()
    for _ in range(steps):
        step()
    return (time.perf_counter() - began) / steps, (time.thread_time() - cpu) / steps

timed(BLOCK)
while repeats < 2000:  # until a step is long enough; rank 0 decides
    longer = torch.tensor([timed(BLOCK)[1] < {STEP_S}])
    dist.broadcast(longer, 0)
    if not longer:
        break
    repeats = repeats * 5 // 4 + 1

hooked = {{
    "next": (torch.utils.data.dataloader._BaseDataLoaderIter, "__next__"),
    "wait": (dist.distributed_c10d.Work, "wait"),
}}
ours = {{name: getattr(*place) for name, place in hooked.items()}}
assert all(hasattr(each, "__wrapped__") for each in ours.values()), "the hooks are not where this benchmark looks for them"
after_step = sys.modules["torch.optim.optimizer"]._global_optimizer_post_hooks
ours_after_step = dict(after_step)
assert ours_after_step

def use(way):
    for name, place in hooked.items():
        setattr(*place, ours[name] if way == "watched" else ours[name].__wrapped__)
    after_step.clear()
    at_parameter[0].clear()
    if way == "watched":
        after_step.update(ours_after_step)
        at_parameter[0].update(ours_at_parameter)

def block(way):
    use(way)
    dist.barrier()
    timed(2)
    if way != "profiler":
        return timed(BLOCK)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]):
        return timed(BLOCK)

def span_ns(make):
    began = time.thread_time_ns()
    for _ in range(SPANS):
        with make:
            pass
    return (time.thread_time_ns() - began) / SPANS

class Nothing:
    def __enter__(self): pass
    def __exit__(self, *_): pass

ways, rounds, spans = ["watched", "plain", "profiler"], [], []
for number in range(ROUNDS):
    order = ways if number % 2 == 0 else ways[::-1]
    gc.collect()
    rounds.append({{way: block(way) for way in order}})
use("plain")
for _ in range({SPAN_BATCHES}):
    spans.append([span_ns(aicci.span("measured")), span_ns(Nothing()), span_ns(torch.profiler.record_function("measured"))])
pathlib.Path(os.environ["BENCH_OUT"], f"hooks-{{rank}}.json").write_text(json.dumps({{"rounds": rounds, "spans": spans}}))
dist.destroy_process_group()
"""


def main() -> None:
    rounds = 2 * arguments().launches
    with own_house() as root:
        from jupyter_aicci.client import Client, Program
        from jupyter_aicci.model.spec import parse_spec

        env = (f"BENCH_OUT={root}", f"BENCH_ROUNDS={rounds}", "OMP_NUM_THREADS=1")
        spec = parse_spec({"shape": "cpux2", "ranks_per_node": 2, "framework": "torch", "grace": 1.0, "env": env})
        run = Client().submit(spec, Program(text=PROGRAM))
        until("both ranks done", lambda: run.summary()["state"] in ("succeeded", "failed"), 900.0)
        if run.summary()["state"] == "failed":
            raise SystemExit(run.logs(0)[-2000:] + run.logs(1)[-2000:])
        told = [json.loads((root / f"hooks-{rank}.json").read_text()) for rank in (0, 1)]
    figures = {"rounds": rounds, "ranks": 2, **_spans(told), **_steps(told)}
    report("hooks", figures)


def _spans(told: list[dict[str, list[list[float]]]]) -> dict[str, float]:
    """What a span takes beyond a context manager that does nothing: the median of the batches."""
    batches = [batch for each in told for batch in each["spans"]]
    ours, nothing, peer = (statistics.median(batch[place] for batch in batches) for place in range(3))
    return {"span_ns": round(ours, 1), "empty_context_ns": round(nothing, 1), "record_function_ns": round(peer, 1)}


def _steps(told: list[dict[str, list[dict[str, list[float]]]]]) -> dict[str, float]:
    """Step times, and by how much of a step watched and profiled blocks are longer than the plain one beside them."""
    rounds = [each for rank in told for each in rank["rounds"]]
    figures: dict[str, float] = {}
    for place, clock in enumerate(("wall", "cpu")):
        plain = [each["plain"][place] for each in rounds]
        figures[f"plain_step_{clock}_s"] = round(statistics.median(plain), 6)
        for way in ("watched", "profiler"):
            ratios = [(each[way][place] - each["plain"][place]) / each["plain"][place] for each in rounds]
            lo, hi = _interval(ratios)
            figures[f"{way}_overhead_{clock}_ratio"] = round(statistics.median(ratios), 5)
            figures[f"{way}_overhead_{clock}_lo_ratio"] = round(lo, 5)
            figures[f"{way}_overhead_{clock}_hi_ratio"] = round(hi, 5)
    return figures


def _interval(values: list[float]) -> tuple[float, float]:
    """The 95 % interval of the median, by 2,000 bootstrap draws with a fixed seed."""
    draw = random.Random(0)
    medians = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(2000))
    return medians[49], medians[1949]


if __name__ == "__main__":
    main()
