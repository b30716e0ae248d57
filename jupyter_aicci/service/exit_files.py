"""Ranks' ends that an agent's spool no longer says, since it is damaged there: read from the exit files beside it.

In: what an attempt's frames have said, and its node directories. Out: the same with the ends that the files have.
Rule 1: only of nodes whose spool has a gap, and only ends that a healthy agent would have said: one that lives says each end once
and does not know that nobody could read it.
Rule 2: what the frames said counts before what a file says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from jupyter_aicci.agent.files import read_json
from jupyter_aicci.model.text import NS
from jupyter_aicci.service.seen import Exit, Seen
from jupyter_aicci.store.clock import Clock

SAID_NS = 2 * NS  # an agent has said an end by then, with what it knows of its cause


def with_exit_files(seen: Seen, node_dir: Callable[[int], Path], clock: Clock) -> Seen:
    """`seen` and the ends of ranks of its damaged nodes, as their keepers wrote them; `node_dir` is where a node's files lie."""
    before_ns = clock.now_ns() - SAID_NS
    found = {
        exit_.rank: exit_
        for node in seen.damaged
        for exit_ in _of_node(node, node_dir(node), clock)
        if node in seen.done or exit_.time_ns < before_ns
    }
    return replace(seen, exits=found | seen.exits) if found.keys() - seen.exits.keys() else seen


def _of_node(node: int, folder: Path, clock: Clock) -> Iterator[Exit]:
    for path in sorted(folder.glob("rank-*.exit")):
        record, rank = read_json(path), int(path.stem.removeprefix("rank-"))
        if record is not None:
            frame = {**record, "error": read_json(folder / f"rank-{rank}.error")}
            yield Exit(rank=rank, node=node, time_ns=clock.from_boot(int(record["t_ns"])), frame=frame)
