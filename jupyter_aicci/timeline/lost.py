"""What a run's record does not say because it is damaged: told by frames of kind `gap`, drawn as nothing, and said how much it is.

In: every frame in the order of seq; of a spool's gap the time is only known to lie behind the last frame of that spool.
Out: `Gap`s, and a rank's phases with `UNKNOWN` where nobody knows them.
Rule 1: after a gap in what a rank told, its phase is unknown until it tells one again; the phase before it is never stretched.
Rule 2: memory is bounded: past `MOST_GAPS`, and of one rank past `MOST_SPANS`, the last one grows.
Must not import: anything but the frames' form.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from jupyter_aicci.model.text import NS, duration, size
from jupyter_aicci.timeline.lanes import Frame

UNKNOWN = "unknown"
MOST_GAPS, MOST_SPANS = 1000, 100
NEVER_NS = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One stretch of one spool that cannot be read."""

    attempt: int
    node: int
    writer: str  # "agent" or "rank-R"
    of: str  # the class of frames ("raw", "log", "told"), "" = of all that the writer said
    from_ns: int
    to_ns: int
    frames: int  # 0 = nobody knows
    lost_bytes: int  # 0 = nobody knows

    @property
    def rank(self) -> int:
        """The writer's rank, -1 of an agent."""
        return int(self.writer.removeprefix("rank-")) if self.writer.startswith("rank-") else -1

    def hides(self, what: str) -> bool:
        """Whether frames of class `what` are missing."""
        return self.of in ("", what)


class Gaps:
    """All gaps of one run so far."""

    def __init__(self) -> None:
        self._heard_ns: dict[str, int] = {}  # source -> its last frame
        self.all: list[Gap] = []
        self.count = 0

    def of_rank(self, rank: int, *what: str) -> list[Gap]:
        """Those in what a rank told of a class."""
        return [gap for gap in self.all if gap.writer == f"rank-{rank}" and any(map(gap.hides, what))]

    def of_ranks(self, node: int) -> list[Gap]:
        """Those in the phases of a node's ranks."""
        return [
            gap
            for gap in self.all
            if gap.node == node and gap.writer != "agent" and (gap.hides("told") or gap.hides("raw"))
        ]

    def of_agents(self) -> list[Gap]:
        """Those in what the agents sampled."""
        return [gap for gap in self.all if gap.writer == "agent" and gap.hides("raw")]

    def take(self, frame: Frame) -> Gap | None:
        """Look at one frame, whatever its kind; the gap that it tells of."""
        before_ns, body = self._heard_ns.get(frame.source, frame.time_ns), frame.frame
        self._heard_ns[frame.source] = frame.time_ns
        if body["k"] != "gap":
            return None
        gap = Gap(
            attempt=frame.attempt,
            node=frame.node,
            writer=frame.source.rpartition("/")[2],
            of=str(body.get("of", "")),
            from_ns=int(body.get("from_ns", min(before_ns, frame.time_ns))),
            to_ns=int(body.get("to_ns", frame.time_ns)),
            frames=int(body.get("frames", 0)),
            lost_bytes=int(body.get("lost_bytes", 0)),
        )
        self.count += 1
        if len(self.all) < MOST_GAPS:
            self.all.append(gap)
        else:
            self.all[-1] = _both(self.all[-1], gap)
        return gap


class Lost:
    """When the phase of one rank is not known."""

    __slots__ = ("_spans",)

    def __init__(self) -> None:
        self._spans: list[tuple[int, int]] = []

    def lose(self, gap: Gap) -> None:
        """Of told phases until the rank tells one again, of steps alone for as long as they are missing."""
        if not gap.hides("told") and not gap.hides("raw"):
            return
        span = (gap.from_ns, NEVER_NS if gap.hides("told") else gap.to_ns)
        if self._spans and (self._spans[-1][1] >= span[0] or len(self._spans) == MOST_SPANS):
            last = self._spans.pop()
            span = (min(last[0], span[0]), max(last[1], span[1]))
        self._spans.append(span)

    @property
    def still(self) -> bool:
        """Whether the rank has not told its phase since."""
        return bool(self._spans) and self._spans[-1][1] == NEVER_NS

    def heard(self, time_ns: int) -> None:
        """The rank said from `time_ns` on what it does."""
        if self.still:
            self._spans[-1] = (self._spans[-1][0], max(self._spans[-1][0], time_ns))

    def over(self, times_ns: Sequence[int], names: Sequence[str]) -> tuple[Sequence[int], Sequence[str]]:
        """Changes of phase, ascending, with `UNKNOWN` where it is; before the first one the rank was starting."""
        if not self._spans:
            return times_ns, names
        begin_ns = min(self._spans[0][0], *times_ns[:1])
        times, phases = [begin_ns - 1, *times_ns], ["starting", *names]
        out: list[tuple[int, str]] = []
        for mark in sorted({*times, *(edge for span in self._spans for edge in span)} - {NEVER_NS}):
            lost = any(a <= mark < b for a, b in self._spans)
            name = UNKNOWN if lost else phases[bisect_right(times, mark) - 1]
            if not out or out[-1][1] != name:
                out.append((mark, name))
        return [mark for mark, _ in out], [name for _, name in out]


def note(gaps: Iterable[Gap]) -> str:
    """How much is missing, for people: "2 gaps, 61 s: 100 frames are damaged", "" where nothing is."""
    found = list(gaps)
    if not found:
        return ""
    frames, lost = sum(gap.frames for gap in found), sum(gap.lost_bytes for gap in found)
    long = duration(sum(max(0, gap.to_ns - gap.from_ns) for gap in found) / NS)
    parts = [f"{frames:,} frames"] if frames else []
    parts += [size(lost)] if lost else []
    return f"{len(found)} gap{'s' * (len(found) > 1)}, {long}: {' and '.join(parts)} damaged"


def _both(first: Gap, second: Gap) -> Gap:
    return replace(
        first,
        to_ns=max(first.to_ns, second.to_ns),
        frames=first.frames + second.frames,
        lost_bytes=first.lost_bytes + second.lost_bytes,
    )
