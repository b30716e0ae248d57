"""The `aicci` module of the cell.

    aicci.rank, world_size, local_rank, node_rank, restart       who this process is
    aicci.log(step=None, **values)   aicci.step(n=None)           what the timeline draws
    aicci.span("eval")                                            a phase with a name, as a context manager
    aicci.data["digits"], aicci.output                            paths: what --data mounted, a directory that is kept
    aicci.checkpoint.save(state) / .latest()                      see rank/checkpoint.py
    aicci.should_stop(), aicci.Stop                               the run is to end
    aicci.allreduce(value), aicci.init_jax()                      a gang without a framework; JAX's

Rule: a call that the program makes in its inner loop is one frame and one write; no framework is imported for it.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .checkpoint import Checkpoint
from .clock import Span
from .reduce import Star
from .session import Session, Stop

__all__ = ["Stop", "allreduce", "checkpoint", "data", "init_jax", "local_rank", "log", "node_rank", "output", "rank", "restart",
           "should_stop", "span", "step", "world_size"]  # fmt: skip

rank: int
world_size: int
local_rank: int
node_rank: int
restart: int  # how many attempts came before this one
data: Mapping[str, Path]
output: Path
checkpoint: Checkpoint

_ATTRIBUTES: dict[str, Any] = {}  # the values of the names above, once there is a session
_session: Session | None = None
_star: Star | None = None
_spans: dict[str, Span] = {}  # the session's


class UnknownDataError(LookupError):
    """A data set that this run does not have."""


class _Data(Mapping[str, Path]):
    """What `--data` mounted, by name."""

    def __init__(self, paths: Mapping[str, str]) -> None:
        self._paths = {name: Path(path) for name, path in paths.items()}

    def __getitem__(self, name: str) -> Path:
        try:
            return self._paths[name]
        except KeyError:
            known = ", ".join(self._paths) or "none"
            raise UnknownDataError(
                f"data set {name!r} is not part of this run; it has {known}. Add --data {name}=PATH to the command."
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def start(session: Session) -> None:
    """Make this module speak for `session`; called once in each rank's process."""
    global _session, _spans, _star
    _session, _spans, _star = session, session.spans, Star(session)
    output = Path(session.run_dir, "out")
    output.mkdir(mode=0o700, parents=True, exist_ok=True)
    _ATTRIBUTES.update(
        rank=session.rank, world_size=session.world_size, local_rank=session.local_rank, node_rank=session.node,
        restart=session.attempt - 1, data=_Data(session.plan["data"]), output=output, checkpoint=Checkpoint(session),
    )  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in __all__ and _session is None:
        _start_from_environment()
    try:
        return _ATTRIBUTES[name]
    except KeyError:
        raise AttributeError(f"module 'aicci' has no attribute {name!r}; it has {', '.join(__all__)}") from None


def __dir__() -> list[str]:
    return list(__all__)


def log(step: int | None = None, **values: Any) -> None:
    """Log numbers under their names: `aicci.log(step=3, loss=loss, lr=1e-3)`; tensors and arrays of one element are numbers.

    Raises `TypeError` for what is no number, and `aicci.Stop` if the run is to end.
    """
    session = _current()
    numbers = {name: _number(name, value) for name, value in values.items()}
    if step is not None:
        step = int(step)
        session.numbered_step(step)
    else:
        session.works()
    session.write("log", step=session.step if step is None else step, values=numbers)
    session.stop_point()


def step(n: int | None = None) -> None:
    """Say that a step is done, `n` its number (by itself it counts). Raises `aicci.Stop` if the run is to end."""
    session = _current()
    session.numbered_step(None if n is None else int(n))
    session.stop_point()


def span(name: str) -> Span:
    """The time inside is the phase `name` on the timeline: `with aicci.span("eval"): …`, or `@aicci.span("eval")`.

    A step's time is counted by phase to the nanosecond; on the bar of the node a span is drawn where it lasts 50 ms or more.
    """
    return _spans.get(name) or _current().span(name)


def should_stop() -> bool:
    """Whether the run is to end soon (stop, budget, preemption); a program that asks is not interrupted by `aicci.Stop` before."""
    session = _current()
    session.stop_points += 1
    return session.stop_wanted


def allreduce(value: Any, op: str = "sum") -> Any:
    """`value` (a number or an array) reduced over all ranks by `sum`, `mean`, `min` or `max`; the same bits on every rank."""
    session = _current()
    session.works()
    session.stop_point()
    assert _star is not None
    if session.world_size == 1:
        return _star.allreduce(value, op)
    with session.span("comm"):
        return _star.allreduce(value, op)


def init_jax() -> None:
    """`jax.distributed.initialize` with this run's coordinator; on CPUs the collectives are gloo's. One rank needs none."""
    session = _current()
    if session.world_size == 1:
        return
    import jax

    config: Any = jax.config
    if not os.environ.get("CUDA_VISIBLE_DEVICES") and "ASCEND_RT_VISIBLE_DEVICES" not in os.environ:
        config.update("jax_cpu_collectives_implementation", "gloo")
        _gloo_of_jax_listens_on(os.environ.get("GLOO_SOCKET_IFNAME", ""))
    jax.distributed.initialize(
        coordinator_address=os.environ["JAX_COORDINATOR_ADDRESS"],
        num_processes=session.world_size,
        process_id=session.rank,
    )


def _gloo_of_jax_listens_on(interface: str) -> None:
    """As torch's does by GLOO_SOCKET_IFNAME. JAX has no option for it and takes the address of the host's own name: not every host
    can resolve that, or to an address that it has. A JAX that keeps the function elsewhere goes on as it would."""
    if not interface:
        return
    with contextlib.suppress(ImportError, AttributeError):
        from jax._src import xla_bridge

        library: Any = vars(xla_bridge).get("_jax")
        library.make_gloo_tcp_collectives = functools.partial(library.make_gloo_tcp_collectives, interface=interface)


def _current() -> Session:
    if _session is None:
        _start_from_environment()
    assert _session is not None
    return _session


def _start_from_environment() -> None:
    """In a process that a rank started (a spawned worker): the same identity, but what it logs is not recorded."""
    from ..files import read_json

    plan = read_json(os.path.join(os.environ.get("AICCI_NODE_DIR", ""), "plan.json"))
    if plan is None:
        raise RuntimeError("the module 'aicci' works inside a run: start one with %%aicci train or aicci run")
    index = next(i for i, entry in enumerate(plan["ranks"]) if str(entry["rank"]) == os.environ["AICCI_RANK"])
    session = Session(plan, index)
    session.pid = -1
    start(session)


def _number(name: str, value: Any) -> float | int:
    """The number in a value, without importing what it comes from."""
    if isinstance(value, (int, float)):
        return _drawable(int(value) if isinstance(value, bool) else value)
    if isinstance(value, (str, bytes)):
        raise _no_number(name, value)
    try:
        item = value.item() if hasattr(value, "item") else float(value)
        if isinstance(item, (bool, int, float)):
            return _drawable(item + 0)
    except (TypeError, ValueError, RuntimeError) as error:
        raise _no_number(name, value) from error
    raise _no_number(name, value)


def _drawable(value: float | int) -> float | int:
    """The value; infinity for a whole number that no double holds, since every reader makes one of it."""
    try:
        float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    return value


def _no_number(name: str, value: Any) -> TypeError:
    shape = getattr(value, "shape", None)
    what = f"{type(value).__name__}" + (f" of shape {tuple(shape)}" if shape is not None else "")
    return TypeError(f"aicci.log({name}=…) takes one number, got {what}; log its .mean() or one element")
