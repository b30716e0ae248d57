"""FLOPs utilisation: a number where everything is known, else the reason."""

from __future__ import annotations

import pytest

from jupyter_aicci.speedup.mfu import utilisation


def test_the_share_of_the_peak() -> None:
    """400 TFLOP in a second of an H100's 989."""
    assert utilisation({"flops_bf16": 4e14, "loss": 2.0}, step_s=1.0, accelerator="h100").ratio == pytest.approx(
        0.4044, abs=1e-4
    )


@pytest.mark.parametrize(
    ("logged", "accelerator", "why"),
    [
        ({"loss": 1.0}, "h100", "logs no flops"),
        ({"flops": 1e14}, "h100", "without its number format"),
        ({"flops_bf16": 1e14, "flops_fp8": 1e14}, "h100", "bf16 and fp8"),
        ({"flops_int4": 1e14}, "h100", "no number format"),
        ({"flops_bf16": 1e14}, "ascend910b", "nobody has set the peak of ascend910b"),
        ({"flops_bf16": 1e14}, "", "this CPU"),
        ({"flops_fp8": 1e14}, "a100", "nobody has set"),
        ({"flops_bf16": 0.0}, "h100", "no step"),
    ],
)
def test_what_is_not_known_is_no_number(logged: dict[str, float], accelerator: str, why: str) -> None:
    """With the reason; never a peak that was guessed."""
    found = utilisation(logged, step_s=1.0, accelerator=accelerator)
    assert found.ratio is None
    assert why in found.why
