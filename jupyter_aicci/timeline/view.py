"""One view of a run from all its frames: what REST, picture and summary ask for.

A live stream keeps an `Accumulator` instead; `view` is one that is fed once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jupyter_aicci.model.run import Run
from jupyter_aicci.timeline.curves import Cost
from jupyter_aicci.timeline.incremental import Accumulator
from jupyter_aicci.timeline.lanes import Frame, View
from jupyter_aicci.timeline.partition import Billed


def view(
    run: Run,
    frames: Iterable[Frame],
    *,
    cost: Cost,
    now_ns: int,
    billed: Sequence[Billed] = (),
    width_px: int = 800,
    window: tuple[float, float] | None = None,
    log_text: str = "",
    seq: int = 0,
) -> View:
    """The run as it looks at `now_ns`; arguments as in `Accumulator.view`."""
    state = Accumulator(origin_ns=run.submitted_ns)
    state.feed(frames)
    return state.view(
        run, cost=cost, now_ns=now_ns, billed=billed, width_px=width_px, window=window, log_text=log_text, seq=seq
    )
