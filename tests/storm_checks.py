"""What must be true of a run that has ended, whatever was killed meanwhile, read from the disk by nobody's help.

    defects(home, run_id, kind) -> sentences, none if all is well        cluster_defects(home)        survivors(home)

In: the journal (another process's read-only connection), node directories, spools, frames.db, the marks that the cells wrote.
Rule: nothing is asked of the service, whose word is what is being checked.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storm_programs import Kind

from jupyter_aicci.agent.files import read_json
from jupyter_aicci.agent.frames import read_spool
from jupyter_aicci.agent.group import process_table
from jupyter_aicci.agent.identity import read_claim
from jupyter_aicci.model.events import KINDS, Event, NodeHeld, NodeReleased, Placed, RankExited, event_from_row
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.run import Run, fold
from jupyter_aicci.pricing.meter import NS_PER_H, meter
from jupyter_aicci.store.frames import FrameStore
from jupyter_aicci.store.paths import Home

CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One line that a cell wrote about itself."""

    word: str  # "begin" or "end"
    attempt: int
    rank: int
    pid: int
    t_ns: int  # boot time


def journal_rows(home: Home) -> dict[str, list[Event]]:
    """Run -> its rows in order."""
    db = sqlite3.connect(f"file:{home.journal}?mode=ro", uri=True)
    try:
        found = db.execute("SELECT run_id, kind, time_ns, body FROM rows ORDER BY seq").fetchall()
    finally:
        db.close()
    rows: dict[str, list[Event]] = {}
    for run_id, kind, time_ns, body in found:
        if kind in KINDS:
            rows.setdefault(run_id, []).append(event_from_row(kind, run_id, time_ns, json.loads(body)))
    return rows


def anchor_ns(home: Home) -> int:
    """What turns this boot's time into the journal's."""
    db = sqlite3.connect(f"file:{home.journal}?mode=ro", uri=True)
    try:
        ((body,),) = db.execute("SELECT body FROM rows WHERE kind = 'anchor'").fetchall()
    finally:
        db.close()
    return int(json.loads(body)["offset_ns"])


def marks(home: Home, run_id: str) -> list[Mark]:
    try:
        lines = (home.run_dir(RunId(run_id)) / "out" / "marks").read_text().splitlines()
    except FileNotFoundError:
        return []
    words = (line.split() for line in lines)
    return [Mark(word=w, attempt=int(a), rank=int(r), pid=int(p), t_ns=int(t)) for w, a, r, p, t in words]


def defects(home: Home, run_id: str, kind: Kind) -> list[str]:
    """Everything that is wrong with one run that has ended."""
    events = journal_rows(home).get(run_id)
    if not events:
        return [f"{run_id}: it is not in the journal"]
    run = fold(events)
    found = itertools.chain(
        _end(run, kind),
        _rows(run, events),
        _exits(home, run, kind),
        _lives(home, run, kind),
        _times(home, run),
        _bill(run),
        _frames(home, run),
        _nodes(home, run),
    )
    return [f"{run_id} ({run.spec.name}): {text}" for text in found]


def _end(run: Run, kind: Kind) -> Iterator[str]:
    if (run.state, run.exit_class or None) != (kind.state, kind.exit_class):
        yield f"ended {run.state}, {run.exit_class or None} ({run.reason}), expected {kind.state}, {kind.exit_class}"
    if len(run.attempts) != kind.attempts and not kind.stop:
        yield f"took {len(run.attempts)} attempts, expected {kind.attempts}: {[a.exits for a in run.attempts]}"
    if kind.guilty is not None and run.verdict.get("rank") != kind.guilty:
        yield f"the verdict names rank {run.verdict.get('rank')}, expected {kind.guilty}: {run.verdict}"


def _rows(run: Run, events: list[Event]) -> Iterator[str]:
    """Each fact is one row; every node that was held was released, every attempt had its exits."""
    facts: Counter[tuple[Any, ...]] = Counter()
    for event in events:
        match event:
            case NodeHeld() | NodeReleased():
                facts[event.kind, event.attempt, event.node] += 1
            case RankExited():
                facts[event.kind, event.attempt, event.rank] += 1
            case Placed():
                facts[event.kind, event.attempt] += 1
    yield from (f"row {fact} is there {count} times" for fact, count in facts.items() if count != 1)
    for attempt in run.attempts:
        nodes = {node.index for node in attempt.placement.nodes}
        if set(attempt.held) != nodes or set(attempt.released) != nodes:
            yield f"attempt {attempt.number}: held {attempt.held}, released {attempt.released} of nodes {nodes}"


def _exits(home: Home, run: Run, kind: Kind) -> Iterator[str]:
    """Every rank's end is known, once, and is what its keeper wrote."""
    for attempt in run.attempts:
        begun = {mark.rank for mark in marks(home, run.id) if mark.attempt == attempt.number}
        missing = begun - set(attempt.exits)
        if missing:
            yield f"attempt {attempt.number}: ranks {missing} ran, and their ends are not in the journal"
        for rank, exit_ in attempt.exits.items():
            if exit_.source == "unknown":
                yield f"attempt {attempt.number}: nobody knows how rank {rank} ended"
            node = rank // attempt.placement.ranks_per_node
            record = read_json(home.node_dir(run.id, attempt.number, node) / f"rank-{rank}.exit") or {}
            if (record.get("code"), record.get("signal")) != (exit_.code, exit_.signal):
                yield f"attempt {attempt.number}, rank {rank}: journal has {exit_}, its keeper wrote {record}"
        if kind.state == "succeeded" and attempt is run.attempts[-1]:
            yield from (f"rank {rank} ended {exit_}" for rank, exit_ in attempt.exits.items() if exit_.code)
        if kind.guilty is not None and (exit_ := attempt.exits.get(kind.guilty)) and exit_.code != kind.code:
            yield f"rank {kind.guilty} ended with {exit_.code}, expected {kind.code}: {exit_}"


def _lives(home: Home, run: Run, kind: Kind) -> Iterator[str]:
    """Each rank of each attempt ran its program at most once; the last attempt of a success ran all, to the end."""
    written = marks(home, run.id)
    counts = Counter((mark.word, mark.attempt, mark.rank) for mark in written)
    yield from (f"{mark} was written {count} times" for mark, count in counts.items() if count != 1)
    for mark in written:
        node = mark.rank // run.attempts[mark.attempt - 1].placement.ranks_per_node
        claim = read_claim(home.node_dir(run.id, mark.attempt, node) / f"rank-{mark.rank}.claim")
        if claim is None or claim.pid != mark.pid:
            yield f"{mark} is by a process that did not claim the rank: {claim}"
    last = len(run.attempts)
    if kind.state == "succeeded":
        wanted = {(word, last, rank) for word in ("begin", "end") for rank in range(kind.ranks)}
        if not wanted <= set(counts):
            yield f"marks are missing: {wanted - set(counts)}"


def _times(home: Home, run: Run) -> Iterator[str]:
    """A node is held before its ranks begin and until they have ended; no attempt begins before the last one is over."""
    offset_ns = anchor_ns(home)
    over_ns = 0
    for attempt in run.attempts:
        begun = [mark.t_ns + offset_ns for mark in marks(home, run.id) if mark.attempt == attempt.number]
        ended = [exit_.time_ns for exit_ in attempt.exits.values()]
        free = list(attempt.released.values())
        if begun and min(begun) < max(attempt.held.values()):
            yield f"attempt {attempt.number}: a rank began {max(attempt.held.values()) - min(begun)} ns before its node was held"
        if ended and free and max(free) < max(ended):
            yield f"attempt {attempt.number}: released {max(ended) - max(free)} ns before the last rank ended"
        if min(attempt.held.values(), default=over_ns) < over_ns:
            yield f"attempt {attempt.number} was placed before the one before it was over"
        over_ns = max([over_ns, *free, *ended])


def _bill(run: Run) -> Iterator[str]:
    """The ledger is the journal's intervals, each once, priced to the nanosecond."""
    ledger = meter(run, 1 << 62)
    held = [
        (attempt.number, node, attempt.held[node], attempt.released.get(node))
        for attempt in run.attempts
        for node in sorted(attempt.held)
    ]
    billed = [(entry.attempt, entry.node, entry.from_ns, entry.to_ns) for entry in ledger.entries]
    if held != billed or any(entry.open for entry in ledger.entries):
        yield f"billed {billed}, held {held}"
        return
    exact = sum((to_ns - from_ns) * run.price.micro_per_h for _, _, from_ns, to_ns in billed) // NS_PER_H
    if not run.price.micro_per_h or ledger.total_micro != exact:
        yield f"the bill is {ledger.total_micro}, the time held costs {exact}"
    for node in {entry.node for entry in ledger.entries}:
        spans = sorted((entry.from_ns, entry.to_ns) for entry in ledger.entries if entry.node == node)
        yield from (f"node {node} is billed twice: {a}, {b}" for a, b in itertools.pairwise(spans) if a[1] > b[0])


def _frames(home: Home, run: Run) -> Iterator[str]:
    """frames.db is the spools: every frame, once, in order, without gaps in the numbers."""
    store = FrameStore(home.frames_db(run.id))
    try:
        stored = store.all()
    finally:
        store.close()
    if [frame.seq for frame in stored] != list(range(1, len(stored) + 1)):
        yield "its frames' numbers have gaps"
    kept: dict[str, list[dict[str, Any]]] = {}
    for frame in stored:
        kept.setdefault(frame.source, []).append(frame.frame)
    spools = {str(path.relative_to(home.run_dir(run.id)).with_suffix("")): path for path in _spools(home, run)}
    for source in spools.keys() | kept.keys():
        said = _all_of(spools[source]) if source in spools else []
        if kept.get(source, []) != said:
            yield f"{source}: {len(kept.get(source, []))} frames are kept, {len(said)} were said"
    for source, frames in kept.items():
        if source.endswith("/agent"):
            told = Counter(
                (frame["k"], frame.get("rank")) for frame in frames if frame["k"] in ("started", "exit", "done")
            )
            yield from (f"{source} told {what} {count} times" for what, count in told.items() if count != 1)


def _spools(home: Home, run: Run) -> Iterator[Path]:
    yield from home.run_dir(run.id).glob("attempt-*/node-*/*.spool")


def _all_of(spool: Path) -> list[dict[str, Any]]:
    frames, offset, going_on = list[dict[str, Any]](), 0, True
    while going_on:
        records, offset = read_spool(spool, offset)
        frames += [frame for _, frame in records]
        going_on = bool(records)
    return frames


def _nodes(home: Home, run: Run) -> Iterator[str]:
    """Every node says that it is done, and nothing of its groups is left."""
    for attempt in run.attempts:
        for node in attempt.placement.nodes:
            folder = home.node_dir(run.id, attempt.number, node.index)
            done = read_json(folder / "done.json")
            if done is None or done["leftover"]:
                yield f"{folder.name} of attempt {attempt.number} is not done: {done}"
            name = f"aicci-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"
            yield from (f"its cgroup {path} is still there" for path in CGROUPS.glob(f"**/{name}"))


def cluster_defects(home: Home) -> list[str]:
    """No CPU was two runs' at the same time."""
    held: dict[int, list[tuple[int, int, str]]] = {}
    for run_id, events in journal_rows(home).items():
        for attempt in fold(events).attempts:
            for node in attempt.placement.nodes:
                span = (attempt.held[node.index], attempt.released.get(node.index, 1 << 62), run_id)
                for cpu in node.cpus:
                    held.setdefault(cpu, []).append(span)
    pairs = ((cpu, pair) for cpu, spans in held.items() for pair in itertools.pairwise(sorted(spans)))
    return [f"CPU {cpu} was held twice at once: {a}, {b}" for cpu, (a, b) in pairs if a[1] > b[0]]


def survivors(home: Home) -> list[str]:
    """What lives of any run: by environment, by session, by group, and processes of ours that should be gone."""
    needle = f"AICCI_NODE_DIR={home.runs_dir}/".encode()
    leaders = {
        claim.pid: claim for path in home.runs_dir.glob("*/attempt-*/node-*/*.claim") if (claim := read_claim(path))
    }
    found = []
    for pid, (_, session, started) in process_table().items():
        leader = leaders.get(session)
        ours = leader is not None and started >= leader.starttime and (pid != session or started == leader.starttime)
        environ = command = b""
        with contextlib.suppress(OSError):
            environ = Path(f"/proc/{pid}/environ").read_bytes()
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        if (
            (ours and _same_boot_session(leader, started))
            or needle in environ
            or str(home.runs_dir).encode() in command
        ):
            found.append(f"{pid}: {command.decode(errors='replace').strip()[:200]}")
    return found


def _same_boot_session(leader: Any, started: int) -> bool:
    """A session's number is its leader's pid, which may be anybody's by now: then its own leader began later."""
    stat = Path(f"/proc/{leader.pid}/stat")
    return not stat.exists() or read_starttime(stat) == leader.starttime


def read_starttime(stat: Path) -> int:
    with contextlib.suppress(OSError):
        return int(stat.read_text().rpartition(")")[2].split()[19])
    return -1
