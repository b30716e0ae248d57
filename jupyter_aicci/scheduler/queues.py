"""Queues: a tree of places where runs wait, with what each may count on and what it may never exceed.

In: the user's `[queues.*]` tables. Out: `Queues`, which `decide` reads.
Rule 1: runs wait in leaf queues only; an inner queue is the sum of what lies under it.
Rule 2: outside tables enter through `parse_queues` only, which reports every defect at once and keeps nothing of a
configuration that has one. Arithmetic is in `shares`, who may take what in `standing`. Imports `model` only.
Words as in Volcano's capacity plugin: guarantee, deserved, limit (there: capability).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_aicci.model.errors import UserError, did_you_mean
from jupyter_aicci.model.shapes import Shape
from jupyter_aicci.model.text import parse_duration_s, size

ACCELERATOR, CPU, MEMORY = "accelerator", "cpu", "memory"  # beside the accelerator kinds: "h100", "ascend910b"
WHOLE = 1000  # accelerators and CPUs are counted in thousandths
DEFAULT = "default"  # where runs wait that name no queue
WEEK_S = 604_800.0  # Slurm's PriorityDecayHalfLife, 7-0

Amounts = tuple[tuple[str, int], ...]  # by resource, sorted; accelerators and CPUs in thousandths, memory in bytes


def amounts(**by_resource: float) -> Amounts:
    """Amounts of whole accelerators, whole CPUs and bytes: `amounts(h100=8, cpu=96, memory=64 * 10**9)`."""
    return tuple(sorted((name, round(n * (1 if name == MEMORY else WHOLE))) for name, n in by_resource.items()))


def asked(shape: Shape, nodes: int) -> Amounts:
    """What `nodes` nodes of the shape take."""
    found = {CPU: (shape.cpus * WHOLE + shape.cpu_share_milli) * nodes, MEMORY: shape.memory_bytes * nodes}
    if shape.accelerators:
        found[shape.accelerator] = shape.accelerators * shape.accelerator_milli * nodes
    return tuple(sorted((name, amount) for name, amount in found.items() if amount))


def kinds_of(names: Iterable[str]) -> tuple[str, ...]:
    """The accelerator kinds among names of resources."""
    return tuple(sorted(set(names) - {ACCELERATOR, CPU, MEMORY}))


def amount_text(resource: str, amount: float) -> str:
    """The number alone, as a person writes it: `8`, `0.5`, `64.0 GB`."""
    return size(amount) if resource == MEMORY else f"{amount / WHOLE:.10g}"


def resource_text(resource: str) -> str:
    """What stands after the number: `h100`, `accelerators`, `CPUs`, `of memory`."""
    return {ACCELERATOR: "accelerators", CPU: "CPUs", MEMORY: "of memory"}.get(resource, resource)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A place where runs wait, or a branch over such places."""

    name: str
    parent: str = ""  # "" = stands at the top
    weight: float = 1.0  # of what is left over, against its siblings
    priority: int = 0  # a higher sibling is served first with what is left over
    guarantee: Amounts = ()  # kept for it as soon as it wants it
    deserved: Amounts = ()  # taken back for it from those who borrow
    limit: Amounts = ()  # never exceeded; a resource that is not named has none
    users: tuple[tuple[str, float], ...] = ()  # weights of its users; who is not named weighs 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """All queues, and how runs in them are ordered."""

    queues: tuple[Queue, ...] = (Queue(name=DEFAULT),)  # sorted by name
    policy: str = ""
    half_life_s: float = WEEK_S  # of past use; 0 = past use does not count
    _by_name: dict[str, Queue] = field(init=False, repr=False, compare=False)
    _leaves: dict[str, None] = field(init=False, repr=False, compare=False)
    _hash: int = field(init=False, repr=False, compare=False)  # asked for in every decision

    def __post_init__(self) -> None:
        object.__setattr__(self, "queues", tuple(sorted(self.queues, key=lambda queue: queue.name)))
        object.__setattr__(self, "_by_name", {queue.name: queue for queue in self.queues})
        inner = {queue.parent for queue in self.queues}
        object.__setattr__(self, "_leaves", {queue.name: None for queue in self.queues if queue.name not in inner})
        object.__setattr__(self, "_hash", hash((self.queues, self.policy, self.half_life_s)))

    def __hash__(self) -> int:
        return self._hash

    def __getitem__(self, name: str) -> Queue:
        return self._by_name[name]

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._by_name)

    @property
    def leaves(self) -> tuple[str, ...]:
        """The queues that runs wait in."""
        return tuple(self._leaves)

    def leaves_under(self, name: str) -> tuple[str, ...]:
        """The leaf queues of a branch."""
        return tuple(leaf for leaf in self.leaves if name in self.path(leaf))

    def path(self, name: str) -> tuple[str, ...]:
        """The queue, its parent, and so on to the top."""
        found = [name]
        while parent := self._by_name[found[-1]].parent:
            found.append(parent)
        return tuple(found)

    def refusal(self, name: str) -> UserError | None:
        """The error for a run that is sent to a queue that cannot take it; None if it can."""
        if name in self._leaves:
            return None
        if name not in self:
            guess = did_you_mean(name, self.leaves).removesuffix("?")
            return UserError(
                "unknown_queue", f"queue {name!r} does not exist{'; ' + guess if guess else ''}.",
                hint="`%aicci queues` lists the queues.", field="queue",
            )  # fmt: skip
        under = self.leaves_under(name)
        return UserError(
            "inner_queue", f"queue {name} is a branch; runs wait in the queues under it: {', '.join(under)}.",
            hint=f"Use --queue {under[0]}.", field="queue",
        )  # fmt: skip


# ---- the user's tables ----

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
KIND = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*((?:[kMGTP]i?)?)B")
CLAIMS = ("guarantee", "deserved", "limit")
KEYS = ("parent", "weight", "priority", *CLAIMS, "users")
NOT_KINDS = {"accelerators": ACCELERATOR, "gpu": ACCELERATOR, "gpus": ACCELERATOR, "cpus": CPU, "mem": MEMORY}
HINT = "docs/reference/queues.md shows a tree of queues."


def parse_queues(data: Mapping[str, Any], source: str, *, policy: str = "") -> Queues:
    """The queues in the table `queues` of `source`. Raises `UserError` "bad_config" naming every defect.

    Tables in it are queues, by name; the one key beside them is `half_life`. A queue "default" is added at the top
    where there is none.
    """
    defects: list[str] = []
    read = _Reader(f"{source}: [queues]", defects)
    if not isinstance(data, Mapping):
        raise UserError("bad_config", f"{source}: queues: expected tables [queues.NAME].", hint=HINT, field="queues")
    tables = {name: table for name, table in data.items() if isinstance(table, Mapping)}
    read.only({name: value for name, value in data.items() if name not in tables}, ("half_life",))
    half_life_s = read.seconds("half_life", data.get("half_life", WEEK_S)) if "half_life" not in tables else WEEK_S
    found = [_queue(name, table, _Reader(f"{source}: [queues.{name}]", defects)) for name, table in tables.items()]
    if DEFAULT not in tables:
        found.append(Queue(name=DEFAULT))
    defects += [f"{source}: [queues.{name}] {text}" for name, text in misfits(found)]
    if defects:
        raise UserError("bad_config", "; ".join(defects) + ".", hint=HINT, field="queues")
    return Queues(queues=tuple(found), policy=policy, half_life_s=half_life_s)


def _queue(name: str, table: Mapping[str, Any], read: _Reader) -> Queue:
    if not NAME.fullmatch(name):
        read.defect("its name", "expected letters, digits, '.', '_' and '-', at most 63")
    read.only(table, KEYS)
    claims = {claim: read.amounts(claim, table.get(claim, {})) for claim in CLAIMS}
    return Queue(
        name=name,
        parent=read.name("parent", table.get("parent", "")),
        weight=read.weight("weight", table.get("weight", 1.0)),
        priority=read.whole("priority", table.get("priority", 0)),
        users=read.weights("users", table.get("users", {})),
        **claims,
    )


class _Reader:
    """Reads the values of one table; what cannot be read becomes a defect and a value that does no harm."""

    def __init__(self, where: str, defects: list[str]) -> None:
        self.where, self.defects = where, defects

    def defect(self, key: str, text: str) -> None:
        self.defects.append(f"{self.where} {key}: {text}")

    def only(self, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
        for key in table:
            if key not in known:
                guess = did_you_mean(key, known)
                self.defect(key, f"unknown key; {guess or 'known are ' + ', '.join(known)}")

    def name(self, key: str, value: Any) -> str:
        if isinstance(value, str):
            return value
        self.defect(key, f"expected the name of a queue, found {value!r}")
        return ""

    def whole(self, key: str, value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        self.defect(key, f"expected a whole number, found {value!r}")
        return 0

    def weight(self, key: str, value: Any) -> float:
        if _is_number(value) and 1e-3 <= value <= 1e3:  # weights further apart drown in rounding
            return float(value)
        self.defect(key, f"expected a number above 0 (0.001 to 1000), found {value!r}")
        return 1.0

    def weights(self, key: str, value: Any) -> tuple[tuple[str, float], ...]:
        if not isinstance(value, Mapping):
            self.defect(key, f"expected a table of weights by user, found {value!r}")
            return ()
        return tuple(sorted((user, self.weight(f"{key}.{user}", weight)) for user, weight in value.items()))

    def seconds(self, key: str, value: Any) -> float:
        try:
            seconds = parse_duration_s(value) if isinstance(value, str) else float(value) if _is_number(value) else -1.0
        except ValueError:
            seconds = -1.0
        if seconds >= 0:
            return seconds
        self.defect(key, f"expected a duration such as 7d or 12h, found {value!r}")
        return WEEK_S

    def amounts(self, key: str, value: Any) -> Amounts:
        if not isinstance(value, Mapping):
            self.defect(key, f"expected amounts by resource such as {{ h100 = 8, cpu = 96 }}, found {value!r}")
            return ()
        found = {name: self.amount(f"{key}.{name}", name, amount) for name, amount in value.items()}
        return tuple(sorted((name, amount) for name, amount in found.items() if amount is not None))

    def amount(self, key: str, resource: str, value: Any) -> int | None:
        if resource in NOT_KINDS or not KIND.fullmatch(resource):
            guess = NOT_KINDS.get(resource.lower(), resource.lower() if KIND.fullmatch(resource.lower()) else "")
            known = f"did you mean {guess}?" if guess else "expected accelerator, cpu, memory or an accelerator's kind"
            self.defect(key, f"unknown resource; {known}")
            return None
        if resource == MEMORY and isinstance(value, str):
            value = _bytes(value)
        if _is_number(value) and 0 <= value < 1e15:
            exact = float(value if resource == MEMORY else value * WHOLE)
            if abs(exact - round(exact)) < 1e-6:
                return round(exact)
        expected = "a size such as 512GB" if resource == MEMORY else "a number from 0 with at most three decimals"
        self.defect(key, f"expected {expected}, found {value!r}")
        return None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value - value == 0  # no inf, no nan


def _bytes(text: str) -> float | str:
    match = SIZE.fullmatch(text.strip())
    if not match:
        return text
    unit = match[2]
    base = 1024 if unit.endswith("i") else 1000
    return float(match[1]) * float(base ** " kMGTP".index(unit[:1] or " "))


# ---- what does not fit together ----


def misfits(queues: Iterable[Queue]) -> Iterator[tuple[str, str]]:
    """(queue, what is wrong with its place or its claims) for each defect of a tree."""
    by_name = {queue.name: queue for queue in queues}
    bad = dict(_misplaced(by_name))
    yield from bad.items()
    sound = {name: queue for name, queue in by_name.items() if not any(at in bad for at in _path(by_name, name))}
    promised = guarantees(sound.values())
    for name, queue in sound.items():
        kept = dict(queue.guarantee)
        for resource, given in promised[name].items():
            if resource in kept and given > kept[resource]:
                yield (
                    name,
                    (
                        f"guarantee.{resource}: the queues under it are guaranteed {amount_text(resource, given)}, "
                        f"more than its own {amount_text(resource, kept[resource])}"
                    ),
                )
        yield from ((name, text) for text in _disorder(queue, promised[name]))
    under = [name for name, queue in by_name.items() if queue.parent == DEFAULT]
    if under:
        yield DEFAULT, f"is the parent of {', '.join(sorted(under))}, but runs that name no queue wait in it"


def _path(by_name: Mapping[str, Queue], name: str) -> list[str]:
    """The queue and all above it that exist, each once."""
    found = {name: None}
    at = name
    while (at := by_name[at].parent) in by_name and at not in found:
        found[at] = None
    return list(found)


def _misplaced(by_name: Mapping[str, Queue]) -> Iterator[tuple[str, str]]:
    for name, queue in by_name.items():
        path = _path(by_name, name)
        if queue.parent and queue.parent not in by_name:
            guess = did_you_mean(queue.parent, by_name)
            yield name, f"parent: queue {queue.parent!r} does not exist{'; ' + guess if guess else ''}"
        elif by_name[path[-1]].parent == name == min(path):  # told once for each circle
            yield name, f"parent: the queues form a circle: {' under '.join([*path, name])}"


def guarantees(queues: Iterable[Queue]) -> dict[str, dict[str, int]]:
    """What each queue has promised: its own guarantee, or that of all queues under it where that is more."""
    by_name = {queue.name: queue for queue in queues}
    promised: dict[str, dict[str, int]] = {name: {} for name in by_name}
    for name in sorted(by_name, key=lambda name: -len(_path(by_name, name))):  # children first
        own, under = dict(by_name[name].guarantee), promised[name]
        promised[name] = {resource: max(own.get(resource, 0), under.get(resource, 0)) for resource in own | under}
        if above := by_name[name].parent:
            for resource, amount in promised[name].items():
                promised[above][resource] = promised[above].get(resource, 0) + amount
    return promised


def _disorder(queue: Queue, promised: Mapping[str, int]) -> Iterator[str]:
    """Where guarantee <= deserved <= limit does not hold, in a resource or in all accelerators together."""
    claims = {"guarantee": promised, "deserved": dict(queue.deserved), "limit": dict(queue.limit)}
    for low, high in (("guarantee", "deserved"), ("guarantee", "limit"), ("deserved", "limit")):
        floor = {**claims[low], ACCELERATOR: all_accelerators(claims[low])}
        for resource, most in claims[high].items():
            if floor.get(resource, 0) > most:
                yield (
                    f"{high}.{resource}: {amount_text(resource, most)} is below its {low} "
                    f"of {amount_text(resource, floor[resource])}"
                )


def all_accelerators(claim: Mapping[str, int]) -> int:
    """Accelerators of all kinds together that a claim names."""
    return max(claim.get(ACCELERATOR, 0), sum(claim[kind] for kind in kinds_of(claim)))
