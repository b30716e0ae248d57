"""Forecasts of the speed-up on Pollux's tables: the error of the efficiency at 17 to 64 accelerators from twelve samples.

Beside it, on the same sizes: what two plain peers say (every rank counts whole; Amdahl's law, its serial share fitted to one
node or to all twelve samples), and what is left where our own form is fitted to the larger sizes themselves: the tables' scatter.
Rule: the form and the interval were chosen on three other tables of the same source, never on these.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from common import report
from pollux import MODELS, Case, case

from jupyter_aicci.speedup.fit import Sample, fit
from jupyter_aicci.speedup.model import Where
from jupyter_aicci.speedup.predict import predict

Floats = npt.NDArray[np.float64]


def main() -> None:
    found = {model: figures(case(model)) for model in MODELS}
    names = list(found[MODELS[0]])
    found["mean"] = {name: round(float(np.mean([found[model][name] for model in MODELS])), 4) for name in names}
    print(f"  {'':<26}" + "".join(f"{model:>10}" for model in found))
    for name in names:
        print(f"  {name:<26}" + "".join(f"{each[name]:>10}" for each in found.values()))
    report("speedup", found)


def figures(one: Case) -> dict[str, float]:
    """Mean absolute errors of the efficiency, and how the forecast's interval did."""
    true = np.array(one.efficiency)
    fitted = fit(one.probe)
    told = [predict(fitted, at) for at in one.larger]
    ours, lo, hi = (np.array([getattr(each, name) for each in told]) for name in ("ratio", "lo", "hi"))
    inside = tuple(sample for sample in one.probe if sample.at.nodes == 1)
    return {
        "sizes": len(true),
        "error": error(ours, true),
        "bias": round(float(np.mean(ours - true)), 4),
        "held_by_interval": round(float(np.mean((lo <= true) & (true <= hi))), 4),
        "interval_width": round(float(np.mean(hi - lo)), 4),
        "linear_error": error(np.ones_like(true), true),
        "amdahl_one_node_error": error(amdahl(inside, one.larger), true),
        "amdahl_all_samples_error": error(amdahl(one.probe, one.larger), true),
        "fitted_to_the_answer_error": error(with_the_answer(one), true),
    }


def error(forecast: Floats, true: Floats) -> float:
    return round(float(np.mean(np.abs(forecast - true))), 4)


def amdahl(samples: tuple[Sample, ...], larger: tuple[Where, ...]) -> Floats:
    """Efficiency on p ranks is 1 / (1 + share (p - 1)); the share by least squares on the samples' own efficiencies."""
    alone = {sample.at.batch: sample.step_s for sample in samples if sample.at.ranks == 1}
    several = [sample for sample in samples if sample.at.ranks > 1]
    seen = np.array([alone[sample.at.batch] / sample.step_s for sample in several])
    ranks = np.array([sample.at.ranks for sample in several])
    shares = np.linspace(0.0, 1.0, 10_001)
    off = 1.0 / (1.0 + shares[:, None] * (ranks - 1)) - seen
    share = shares[int(np.argmin(np.sum(off**2, axis=1)))]
    told: Floats = 1.0 / (1.0 + share * (np.array([at.ranks for at in larger]) - 1))
    return told


def with_the_answer(one: Case) -> Floats:
    """What our form says of the larger sizes once it has seen them: no forecast, but the least error to hope for."""
    alone = {at.batch: step_s for at, step_s in zip(one.larger, one.alone_s, strict=True)}
    baselines = tuple(Sample(at=Where(nodes=1, ranks=1, batch=batch), step_s=step_s) for batch, step_s in alone.items())
    seen = tuple(
        Sample(at=at, step_s=step_s / efficiency)
        for at, step_s, efficiency in zip(one.larger, one.alone_s, one.efficiency, strict=True)
    )
    fitted = fit((*baselines, *seen), draws=1)
    return np.array([predict(fitted, at).ratio for at in one.larger])


if __name__ == "__main__":
    main()
