"""The tree that a cluster hangs on, as slices of the host axis, and the file that describes it.

In: the path of each host, or the text of a topology file. Out: a `Tree`, or a `Topology` from which one is made.
Level 0 is the whole cluster, then comes one level per element of the longest path, and the last level is the host.
Hosts stand sorted by (path, name), so that a domain of any level is one slice and a sum over it is one `np.add.reduceat`.
Ragged trees: where a path is shorter than the deepest, its last domain stands for the levels that it lacks
(hosts on one switch are together at each level below); a host without any path is a domain of its own at each level.
Rule: a file with defects is refused whole, all of them listed with row and field. Imports `model` and numpy only.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jupyter_aicci.model.errors import UserError, did_you_mean

Ints = NDArray[np.int64]

CLUSTER, HOST = "cluster", "host"
USUAL_LEVELS = ("zone", "spine", "leaf")  # names from the leaf upwards where a cluster gives none
STATES = ("ready", "draining", "down")  # what a row may say; the values of the hosts' states
MOST_HOSTS = 1_000_000  # a mistyped range must not fill the memory
MOST_DEFECTS = 20
PATTERN = re.compile(r"([^\[\]]*)\[(\d+)-(\d+)\]([^\[\]]*)")
GIVES = {"levels", "hosts"}
LEVEL_GIVES = {"name", "gbytes_per_s", "oversubscription"}
HOST_GIVES = {"names", "path", "state", "only_shapes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """How nodes in different children of one domain of this level reach each other."""

    level: str
    bytes_per_s: int = 0  # one direction, the flow of one node; 0 = what the shape's network cards carry
    oversubscription: float = 1.0  # what the children can send in all / what this level carries for them


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tree:
    """Domains of each level. `starts[level][d]`..`stops[level][d]` are the hosts of domain d; arrays are read-only."""

    levels: tuple[str, ...]  # "cluster", ..., "host"
    starts: tuple[Ints, ...]
    stops: tuple[Ints, ...]
    domain: tuple[Ints, ...]  # per level: domain of each host
    children: tuple[Ints, ...]  # per level but the last: `children[level][d]`..`[d + 1]` are d's domains one level down
    given: tuple[NDArray[np.bool_], ...]  # per level: False where the domain stands for a level that the path lacks
    names: tuple[tuple[str, ...], ...]  # the last element of the path where no other domain of the level has it

    @property
    def hosts(self) -> int:
        return len(self.names[-1])

    def level(self, name: str) -> int:
        """Index of the level of this name. Raises `UserError` (unknown_level) with the names that there are."""
        if name in self.levels:
            return self.levels.index(name)
        guess = did_you_mean(name, self.levels)
        raise UserError(
            "unknown_level", f"level {name!r} is not one of this cluster's topology: {', '.join(self.levels)}.",
            hint=guess[:1].upper() + guess[1:], field="topology",
        )  # fmt: skip


def tree_of(
    paths: Sequence[tuple[str, ...]], hosts: Sequence[str], levels: Sequence[str] = (), *, source: str = "the cluster"
) -> Tree:
    """The tree of hosts that stand sorted by (path, name); `levels` names the elements of the longest path.

    Raises `UserError` (bad_topology) for a host that occurs twice, in one domain or in two.
    """
    _raise(source, _twice(hosts, paths))
    groups = [(path, len(list(same))) for path, same in groupby(paths)]
    if any(one >= other for (one, _), (other, _) in pairwise(groups)):
        raise ValueError("hosts must stand sorted by (path, name)")
    depth = max((len(path) for path, _ in groups), default=0)
    if levels and len(levels) < depth:
        raise ValueError(f"{len(levels)} names for {depth} levels")
    depth = len(levels) or depth
    cuts = [_domains(groups, level) for level in range(depth + 1)]
    starts = [_frozen(np.array([start for start, _ in cut], dtype=np.int64)) for cut in cuts]
    starts.append(_frozen(np.arange(len(hosts), dtype=np.int64)))
    return Tree(
        levels=(CLUSTER, *(levels or _usual(depth)), HOST),
        starts=tuple(starts),
        stops=tuple(_frozen(np.append(start[1:], len(hosts))) for start in starts),
        domain=tuple(_frozen(np.repeat(np.arange(len(s)), np.diff(s, append=len(hosts)))) for s in starts),
        children=tuple(
            _frozen(np.append(np.searchsorted(lower, upper), len(lower))) for upper, lower in pairwise(starts)
        ),
        given=(
            *(_frozen(np.array([len(path) >= at for _, path in cut], dtype=bool)) for at, cut in enumerate(cuts)),
            _frozen(np.ones(len(hosts), dtype=bool)),
        ),
        names=(
            *(_labels(cut, hosts) for cut in cuts),
            tuple(hosts),
        ),
    )


def _usual(depth: int) -> tuple[str, ...]:
    more = depth - len(USUAL_LEVELS)
    return tuple(f"level-{n + 1}" for n in range(more)) + USUAL_LEVELS[max(0, -more) :]


def _domains(groups: Sequence[tuple[tuple[str, ...], int]], level: int) -> list[tuple[int, tuple[str, ...]]]:
    """(first host, path down to it) of each domain of the level. A path that lacks the level goes on as it ends."""
    found: list[tuple[int, tuple[str, ...]]] = []
    at, before = 0, None
    for path, count in groups:
        if level and not path:  # nobody knows where these hang, so none is near another
            found += [(at + n, ()) for n in range(count)]
        elif path[:level] != before:
            before = path[:level]
            found.append((at, before))
        at += count
    return found


def _labels(cut: list[tuple[int, tuple[str, ...]]], hosts: Sequence[str]) -> tuple[str, ...]:
    if len(cut) == 1 and not cut[0][1]:
        return (CLUSTER,) if cut[0][0] == 0 else (hosts[cut[0][0]],)
    often = Counter(path[-1] for _, path in cut if path)
    return tuple(
        hosts[start] if not path else path[-1] if often[path[-1]] == 1 else "/".join(path) for start, path in cut
    )


def _frozen(array: Any) -> Any:
    array.flags.writeable = False
    return array


def _twice(hosts: Sequence[str], paths: Sequence[tuple[str, ...]], rows: Sequence[str] = ()) -> list[str]:
    """A defect for each host that is named more than once, with the domains that it is in."""
    if len(set(hosts)) == len(hosts):
        return []
    defects, first = [], dict[str, int]()
    for index, host in enumerate(hosts):
        other = first.setdefault(host, index)
        if other != index:
            one, two = ("/".join(paths[at]) or "no domain" for at in (other, index))
            under = f"in {one} and in {two}; a host hangs on one leaf" if one != two else f"twice in {one}"
            where = (rows[index], rows[other]) if rows else (f"host {index + 1}", f"host {other + 1}")
            defects.append(f"{where[0]}, field names: host {host!r} is also in {where[1]}: {under}")
    return defects


def _raise(source: str, defects: Sequence[str]) -> None:
    if defects:
        shown = "; ".join(defects[:MOST_DEFECTS])
        more = f"; and {len(defects) - MOST_DEFECTS} more" if len(defects) > MOST_DEFECTS else ""
        raise _error(source, shown + more)


def _error(source: str, what: str) -> UserError:
    return UserError(
        "bad_topology", f"{source}: {what}. Nothing of it was loaded.",
        hint="docs/reference/topology.md describes the file.", field="topology",
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------ the file


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one host hangs, and what may start on it."""

    path: tuple[str, ...] = ()  # from the root downwards, without the host
    state: str = "ready"  # ready | draining | down
    only_shapes: frozenset[str] = frozenset()  # empty = any


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """What a topology file says."""

    levels: tuple[str, ...]  # names of the path's elements, from the root downwards
    links: tuple[Link, ...]  # only of the levels that the file describes; may hold "cluster" and "host"
    places: Mapping[str, Place]  # by host name


def parse_topology(text: str, source: str) -> Topology:
    """The topology in a TOML text; `source` is the file's name for messages.

    Raises `UserError` (bad_topology) that lists every defect with its row and field.
    """
    try:
        data = tomllib.loads(text)
    except RecursionError:
        raise _error(source, "not TOML that can be read: nested too deeply") from None
    except ValueError as error:  # the decoder's own errors, and numbers of thousands of digits
        raise _error(source, f"not TOML: {error}") from None
    defects = [*_unknown("the file", data, GIVES)]
    links = list(_links(_tables(text, data, "levels", defects), defects))
    levels = tuple(link.level for link in links if link.level not in (CLUSTER, HOST))
    rows = list(_tables(text, data, "hosts", defects))
    found = [entry for row, table in rows for entry in _places(row, table, len(levels), defects)]
    if not rows and not defects:
        defects.append("hosts: expected at least one [[hosts]] row")
    defects += _twice([host for host, _, _ in found], [place.path for *_, place in found], [row for _, row, _ in found])
    _raise(source, defects)
    return Topology(levels=levels, links=tuple(links), places={host: place for host, _, place in found})


def _tables(text: str, data: Mapping[str, Any], key: str, defects: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(row in words, table) of `[[key]]`; the row is the line of its header where headers and tables agree."""
    tables = data.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        defects.append(f"{key}: expected [[{key}]] rows")
        return
    header = re.compile(rf"\s*\[\[\s*{key}\s*\]\]\s*(#.*)?")
    lines = [number for number, line in enumerate(text.splitlines(), 1) if header.fullmatch(line)]
    for index, table in enumerate(tables):
        row = f"line {lines[index]}" if len(lines) == len(tables) else f"{key} row {index + 1}"
        yield row, table


def _unknown(row: str, table: Mapping[str, Any], known: Iterable[str]) -> Iterator[str]:
    for key in sorted(set(table) - set(known)):
        guess = did_you_mean(key, known)
        yield f"{row}, field {key}: not a field{f', {guess}' if guess else ''}"


def _links(rows: Iterable[tuple[str, dict[str, Any]]], defects: list[str]) -> Iterator[Link]:
    """The links of `[[levels]]`, from the root downwards."""
    seen: list[str] = []
    for row, table in rows:
        defects += _unknown(row, table, LEVEL_GIVES)
        name = table.get("name")
        if not isinstance(name, str) or not _is_name(name):
            defects.append(f"{row}, field name: expected the name of a level, got {name!r}")
            continue
        if name in seen:
            defects.append(f"{row}, field name: level {name!r} is described twice")
        if name == CLUSTER and seen:
            defects.append(f"{row}, field name: {CLUSTER!r} is the root and comes first")
        if HOST in seen:
            defects.append(f"{row}, field name: level {name!r} comes below {HOST!r}, which is the last")
        seen.append(name)
        rate = _number(row, table, "gbytes_per_s", 0.0, 0.0, defects)
        share = _number(row, table, "oversubscription", 1.0, 1.0, defects)
        yield Link(level=name, bytes_per_s=round(rate * 1e9), oversubscription=share)


def _number(row: str, table: Mapping[str, Any], key: str, default: float, least: float, defects: list[str]) -> float:
    """The number under `key`; more than 0, at least `least`, and below 10^9."""
    value = table.get(key, default)
    if key in table:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not max(least, 1e-9) <= value < 1e9:  # NaN is neither
            expected = f"at least {least:g}" if least else "more than 0"
            defects.append(f"{row}, field {key}: expected a number, {expected}, got {value!r}")
            return default
    return float(value)


def _places(row: str, table: dict[str, Any], depth: int, defects: list[str]) -> Iterator[tuple[str, str, Place]]:
    """(host, row, place) of each host that a `[[hosts]]` row names."""
    defects += _unknown(row, table, HOST_GIVES)
    names, path = table.get("names"), table.get("path", [])
    if not _is_names(names) or not names:
        defects.append(f"{row}, field names: expected a list of host names, got {names!r}")
        names = []
    if not _is_names(path) or any("/" in name for name in path):
        defects.append(f"{row}, field path: expected a list of domain names without '/', got {path!r}")
        path = []
    elif len(path) > depth:
        defects.append(f"{row}, field path: {'/'.join(path)} has {len(path)} elements, and [[levels]] names {depth}")
    state, only = table.get("state", "ready"), table.get("only_shapes", [])
    if state not in STATES:
        defects.append(f"{row}, field state: expected {', '.join(STATES)}, got {state!r}")
    if not _is_names(only):
        defects.append(f"{row}, field only_shapes: expected a list of shape names, got {only!r}")
        only = []
    place = Place(path=tuple(path), state=str(state), only_shapes=frozenset(only))
    for name in names:
        try:
            for host in _expanded(name):
                yield host, row, place
        except ValueError as error:
            defects.append(f"{row}, field names: {error}")


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value != "" and value == value.strip() and value.isprintable()


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_name, value))


def _expanded(name: str) -> Iterator[str]:
    """`gpu-[08-10]` is gpu-08, gpu-09, gpu-10; a name without brackets is itself. Raises `ValueError`."""
    if "[" not in name and "]" not in name:
        yield name
        return
    match = PATTERN.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r}: expected one range like gpu-[01-32]")
    before, low, high, after = match.groups()
    first, last = int(low), int(high)
    if not first <= last < first + MOST_HOSTS:
        raise ValueError(f"{name!r}: expected a range that goes up, of at most {MOST_HOSTS} hosts")
    for number in range(first, last + 1):
        yield f"{before}{number:0{len(low)}d}{after}"
