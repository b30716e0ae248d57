"""Runs and their journal rows for tests of model, store, pricing and scheduler."""

from __future__ import annotations

from typing import Any

from jupyter_aicci.model.events import Event, NodeHeld, NodeReleased, Placed, RankExited, Stepped, Submitted
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.placement import NodePlacement, Placement
from jupyter_aicci.model.shapes import Price, Shape
from jupyter_aicci.model.spec import RunSpec
from jupyter_aicci.model.states import Step

RUN_ID = RunId("r7f3c0ab")
S = 1_000_000_000
T0 = 1_780_000_000 * S


def a_shape(cpus: int = 2, *, micro_per_h: int = 310_000, memory_bytes: int = 0) -> Shape:
    """`cpux2`, at 31 cents an hour."""
    return Shape(name=f"cpux{cpus}", cpus=cpus, memory_bytes=memory_bytes, price=Price(micro_per_h=micro_per_h))


def a_placement(nodes: int = 1, shape: Shape | None = None) -> Placement:
    """`nodes` nodes on one host, with CPUs of their own."""
    shape = shape or a_shape()
    return Placement(
        shape=shape,
        ranks_per_node=1,
        nodes=tuple(
            NodePlacement(
                index=index,
                host="laptop",
                address="127.0.0.1",
                cpus=tuple(range(index * shape.cpus, (index + 1) * shape.cpus)),
            )
            for index in range(nodes)
        ),
    )


def submitted(run_id: RunId = RUN_ID, *, time_ns: int = T0, micro_per_h: int = 310_000, **spec: Any) -> Submitted:
    """The run's first row; `spec` are fields of `RunSpec`."""
    return Submitted(
        run_id=run_id,
        time_ns=time_ns,
        spec=RunSpec(**spec).to_json(),
        prices={"cpux2": Price(micro_per_h=micro_per_h).to_json()},
    )


def stepped(step: Step, time_ns: int, *, run_id: RunId = RUN_ID, attempt: int = 0, **more: Any) -> Stepped:
    return Stepped(run_id=run_id, time_ns=time_ns, step=step, attempt=attempt, **more)


def placed(attempt: int, time_ns: int, *, nodes: int = 1, run_id: RunId = RUN_ID) -> tuple[Event, ...]:
    """The rows of one transaction: PLACE, the placement, every node held."""
    return (
        stepped(Step.PLACE, time_ns, run_id=run_id, attempt=attempt),
        Placed(
            run_id=run_id,
            time_ns=time_ns,
            attempt=attempt,
            placement=a_placement(nodes).to_json(),
            port=29500 + attempt,
        ),
        *(NodeHeld(run_id=run_id, time_ns=time_ns, attempt=attempt, node=node, shape="cpux2") for node in range(nodes)),
    )


def released(attempt: int, time_ns: int, *, nodes: int = 1, run_id: RunId = RUN_ID) -> tuple[Event, ...]:
    """Every node of the attempt is free."""
    return tuple(NodeReleased(run_id=run_id, time_ns=time_ns, attempt=attempt, node=node) for node in range(nodes))


def a_life(run_id: RunId = RUN_ID, *, t0: int = T0, nodes: int = 2, **spec: Any) -> tuple[tuple[Event, ...], ...]:
    """A run that loses its first attempt and succeeds in its second, as the transactions in which it is journaled."""

    def exits(attempt: int, time_ns: int, code: int) -> tuple[Event, ...]:
        return tuple(
            RankExited(run_id=run_id, time_ns=time_ns, attempt=attempt, rank=rank, code=code) for rank in range(nodes)
        )

    return (
        (submitted(run_id, time_ns=t0, nodes=nodes, **spec),),
        (stepped(Step.ENQUEUE, t0 + 1, run_id=run_id),),
        placed(1, t0 + S, nodes=nodes, run_id=run_id),
        (stepped(Step.RUN, t0 + 2 * S, run_id=run_id, attempt=1),),
        exits(1, t0 + 10 * S, -9),
        (
            *released(1, t0 + 10 * S, nodes=nodes, run_id=run_id),
            stepped(Step.LOSE, t0 + 10 * S, run_id=run_id, attempt=1, reason="node 1 is gone", exit_class="node lost"),
            stepped(Step.REQUEUE, t0 + 10 * S, run_id=run_id, attempt=1, not_before_ns=t0 + 11 * S),
        ),
        placed(2, t0 + 12 * S, nodes=nodes, run_id=run_id),
        (stepped(Step.RUN, t0 + 13 * S, run_id=run_id, attempt=2),),
        exits(2, t0 + 40 * S, 0),
        (*released(2, t0 + 41 * S, nodes=nodes, run_id=run_id), stepped(Step.SUCCEED, t0 + 41 * S, run_id=run_id)),
    )  # fmt: skip


def flat(life: tuple[tuple[Event, ...], ...]) -> list[Event]:
    """The rows of a life, in order."""
    return [event for transaction in life for event in transaction]
