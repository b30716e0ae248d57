"""Model FLOPs utilisation: the operations that the model needs a second, of what the chips could do at most.

In: operations of one step, the step's time, the chip and the number format. Out: a ratio, or the reason why there is none.
A program says its operations with `aicci.log(flops_bf16=…)`: of one step on one rank, without recomputation, in the format of
its name. For a transformer of P parameters that is tokens x (6 P + 12 layers x heads x head size x sequence).
Rule: no format, a mixture of them, or a chip whose peak nobody has set: no number. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FORMATS = ("fp64", "fp32", "tf32", "fp16", "bf16", "fp8")
PREFIX = "flops_"
T = 1e12
# Dense peak of one chip, operations a second: NVIDIA's data sheets (V100, A100, L4, H100 and H200 SXM, B200), which
# print figures with sparsity from A100 on; half of those stand here.
PEAKS: dict[tuple[str, str], float] = {
    ("v100", "fp16"): 125 * T,
    ("a100", "fp16"): 312 * T,
    ("a100", "bf16"): 312 * T,
    ("a100", "tf32"): 156 * T,
    ("l4", "fp16"): 121 * T,
    ("l4", "bf16"): 121 * T,
    ("h100", "fp16"): 989 * T,
    ("h100", "bf16"): 989 * T,
    ("h100", "fp8"): 1_979 * T,
    ("h200", "fp16"): 989 * T,
    ("h200", "bf16"): 989 * T,
    ("h200", "fp8"): 1_979 * T,
    ("b200", "fp16"): 2_250 * T,
    ("b200", "bf16"): 2_250 * T,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Utilisation:
    """`ratio` of the peak, or None and `why`."""

    ratio: float | None
    why: str = ""


def utilisation(logged: Mapping[str, float], *, step_s: float, accelerator: str) -> Utilisation:
    """The share of the peak that a rank reached, from the values that it logged; one rank has one accelerator."""
    named = {name.removeprefix(PREFIX): value for name, value in logged.items() if name.startswith(PREFIX)}
    if "flops" in logged and not named:
        return _none("flops is logged without its number format: log flops_bf16, flops_fp16, …")
    if not named:
        return _none("the program logs no flops_bf16=…")
    if len(named) > 1:
        return _none(f"it computes in {' and '.join(sorted(named))}, and there is no one peak to compare with")
    form, flops = next(iter(named.items()))
    if form not in FORMATS:
        return _none(f"{PREFIX}{form} is no number format that is known; known are {', '.join(FORMATS)}")
    peak = PEAKS.get((accelerator, form))
    if peak is None:
        return _none(f"nobody has set the peak of {accelerator or 'this CPU'} in {form}")
    if not (flops > 0 and step_s > 0):
        return _none("no step was measured")
    return Utilisation(ratio=flops / step_s / peak)


def _none(why: str) -> Utilisation:
    return Utilisation(ratio=None, why=why)
