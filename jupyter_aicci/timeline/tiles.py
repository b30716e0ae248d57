"""The numbers on top of the run card: elapsed, steps, throughput, speed-up where it was measured, loss, cost.

Rule: each is measured or computed from what was measured; what is not known yet is a dash with the reason beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jupyter_aicci.model.run import Run
from jupyter_aicci.model.shapes import Price
from jupyter_aicci.model.states import State
from jupyter_aicci.model.text import NOT_SET, NS, clock, duration, money, number
from jupyter_aicci.timeline.lanes import Tile

SPEED_UP = "speed-up on"
LIST_PRICE = "list price"
THROUGHPUT = {"images_per_s": "images/s", "samples_per_s": "samples/s", "tokens_per_s": "tokens/s"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the tiles are computed from, beside the run itself."""

    end_ns: int
    steps: int  # that the drawn rank has done; 0 = none yet
    planned: int  # steps that the program wants to do; 0 = not known
    steps_per_s: float  # 0 = not known
    logged: Mapping[str, float]  # latest logged values, in order of first appearance
    progress: str  # what goes on while the run starts
    cost_micro: int
    speedup: tuple[float, int] | None = None  # (measured ratio over fewer ranks, on how many ranks)


def tiles(run: Run, facts: Facts) -> tuple[Tile, ...]:
    """The tiles, in the order they stand."""
    before = (_elapsed(run, facts), _steps(run, facts), _throughput(facts))
    return (*before, *_speedup(facts), _first_value(facts), _cost(run, facts))


def waited_s(run: Run, now_ns: int) -> float:
    """Seconds that the run stood in its queue, over all attempts; `now_ns` is its end when it has one."""
    waited_ns, since_ns = 0, run.submitted_ns
    for attempt in run.attempts:
        waited_ns += max(0, attempt.placed_ns - since_ns)
        since_ns = attempt.ended_ns or now_ns
    if not run.attempts or not (run.ended or run.holds_nodes):
        waited_ns += max(0, now_ns - since_ns)
    return waited_ns / NS


def per_h_micro(run: Run) -> int:
    """What the run costs an hour while it holds its nodes."""
    nodes = len(run.attempt.placement.nodes) if run.attempt else run.spec.nodes
    return run.price.micro_per_h * nodes


def _elapsed(run: Run, facts: Facts) -> Tile:
    elapsed = clock((facts.end_ns - run.submitted_ns) / NS)
    if not run.attempts:
        return Tile(value=elapsed, label="waited" if run.ended else "waiting")
    return Tile(value=elapsed, label=f"elapsed · {duration(waited_s(run, facts.end_ns))} waited")


def _steps(run: Run, facts: Facts) -> Tile:
    if facts.steps and facts.planned >= facts.steps:
        return Tile(value=f"{facts.steps:,} / {facts.planned:,}", label=f"steps{_left(run, facts)}")
    if facts.steps:
        return Tile(value=f"{facts.steps:,}", label="steps")
    if run.state is State.STARTING and facts.progress:
        return Tile(value="–", label=facts.progress)
    return Tile(value="–", label="steps")


def _left(run: Run, facts: Facts) -> str:
    """How long the steps that are missing take at the pace of the last ones."""
    missing = facts.planned - facts.steps
    if run.ended or not missing or facts.steps_per_s <= 0:
        return ""
    return f" · {clock(missing / facts.steps_per_s)} left"


def _throughput(facts: Facts) -> Tile:
    for name, label in THROUGHPUT.items():
        if name in facts.logged:
            return Tile(value=number(facts.logged[name]), label=label)
    if facts.steps_per_s <= 0:
        return Tile(value="–", label="steps/s")
    return Tile(value=_rate(facts.steps_per_s), label="steps/s")


def _speedup(facts: Facts) -> tuple[Tile, ...]:
    if facts.speedup is None:
        return ()
    ratio, ranks = facts.speedup
    return (Tile(value=f"{ratio:.2f}", label=f"{SPEED_UP} {ranks}"),)


def _rate(per_s: float) -> str:
    return number(float(f"{per_s:.3g}"))


def _first_value(facts: Facts) -> Tile:
    names = [name for name in facts.logged if name not in THROUGHPUT]
    if not names:
        return Tile(value="–", label="loss")
    name = next((name for name in names if name == "loss"), None) or next(
        (name for name in names if "loss" in name.lower()), names[0]
    )
    return Tile(value=number(float(f"{facts.logged[name]:.4g}")), label=name)


def _cost(run: Run, facts: Facts) -> Tile:
    if run.price_is_open:
        return Tile(value="–", label="cost · depends on the shape")
    if not run.cost_known:
        return Tile(value="–", label=f"cost · {NOT_SET}")
    costs = run.price.micro_per_h or facts.cost_micro  # an earlier attempt may have had another shape
    if run.price.known and not costs:
        return Tile(value="free", label="on this machine")
    so_far = _of_budget(run, facts.cost_micro) if run.spec.budget else "in all" if run.ended else "so far"
    rate = f"{money(per_h_micro(run), run.price.currency)}/h" if run.price.known else NOT_SET
    mark = f" {LIST_PRICE}" if run.price.listed else ""
    value = money(facts.cost_micro, run.price.currency)
    return Tile(value=value, label=f"{so_far} · {rate}{mark}", note=_source(run.price))


def _source(price: Price) -> str:
    """Whose list price it is and from when; "" for a price that somebody here has set."""
    dated = f", {price.dated}" if price.dated else ""
    return f"{LIST_PRICE}, which nobody here was charged: {price.source}{dated}" if price.listed else ""


def _of_budget(run: Run, cost_micro: int) -> str:
    """`of $50.00`, with the share of it from where on that is a warning."""
    share = f" ({cost_micro / run.spec.budget:.0%})" if run.budget_note and not run.ended else ""
    return f"of {money(run.spec.budget, run.price.currency)}{share}"
