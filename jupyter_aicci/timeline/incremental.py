"""The timeline's state, fed frame by frame, and what changed since a watcher last looked.

One `Accumulator` a run, shared by everyone who watches it; a `Mark` is what one watcher has on the screen. A view and
the deltas after it show the same as a fresh view, but for thinning: tests/timeline/test_incremental.py holds that.
Rule: frames come in the order of seq; feeding one costs microseconds, and memory is bounded however long the run is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from jupyter_aicci.model.run import Run
from jupyter_aicci.model.text import NS
from jupyter_aicci.timeline.colours import in_order
from jupyter_aicci.timeline.curves import Cost, Drawn, Steps, cost_lane, dense, shown_values, value_lane, windowed
from jupyter_aicci.timeline.deltas import (
    Delta,
    Mark,
    cost_tail,
    inside,
    last_t_s,
    noted,
    part_of,
    shade_signature,
    signature,
    tail,
    thin,
)
from jupyter_aicci.timeline.gather import Gathered
from jupyter_aicci.timeline.gauges import Gauges
from jupyter_aicci.timeline.goodput import goodput, headline, shade
from jupyter_aicci.timeline.lanes import (
    Frame,
    HeatLane,
    Lane,
    PhaseLane,
    SeriesLane,
    View,
)
from jupyter_aicci.timeline.logged import keeps
from jupyter_aicci.timeline.lost import Gap
from jupyter_aicci.timeline.many import of_nodes, under_one
from jupyter_aicci.timeline.partition import Billed
from jupyter_aicci.timeline.phases import Track, node_count, phase_lane, rank_lane
from jupyter_aicci.timeline.records import Record
from jupyter_aicci.timeline.series import Series
from jupyter_aicci.timeline.strip import strip
from jupyter_aicci.timeline.summary import run_summary
from jupyter_aicci.timeline.tiles import Facts, tiles

L = TypeVar("L", PhaseLane, SeriesLane)
Shades = tuple[tuple[float, float], ...]

MOST_RANK_BARS = 32  # of more ranks the strip tells
SMALL = 20_000  # records that are partitioned anew for every delta; of more, once a second


class Accumulator:
    """All frames of one run so far, folded into curves and bars."""

    def __init__(self, *, origin_ns: int) -> None:
        self.origin_ns = origin_ns
        self.cursor = 0
        self._tracks: dict[int, dict[int, dict[int, Track]]] = {}  # node -> attempt -> rank
        self._values: dict[str, Drawn] = {}  # by logged name, in order of first appearance
        self._steps = Steps()
        self.gathered = Gathered(origin_ns)  # what evidence, partition and frames are made from
        self._gaps = self.gathered.gaps
        self._gauges = Gauges(self.gathered.samples)
        self._said = (-math.inf, "")  # when the bill was last parted, and what was said of it
        self._progress = ""
        self._final: tuple[Run, int, tuple[tuple[PhaseLane, ...], Shades]] | None = None  # up to which frame, and what
        self.speedup: tuple[float, int] | None = None  # as `tiles.Facts`; told from outside, where other runs are known
        self._top_step: dict[int, int] = {}  # attempt -> highest step

    def feed(self, frames: Iterable[Frame]) -> None:
        """Take in frames, in the order of seq; a frame that was fed before changes nothing."""
        for frame in frames:
            if frame.seq <= self.cursor:
                continue
            self.cursor = frame.seq
            records = self.gathered.take(frame)
            match frame.frame["k"]:
                case "phase":
                    self._phase(frame)
                case "steps":
                    self._take_records(frame, records)
                case "log":
                    self._log(frame)
                case "sample":
                    self._gauges.take(frame, self._seconds(frame))
                case "exit":
                    self._track(frame).end(frame.time_ns)
                case "gap":
                    self._lose(self._gaps.all[-1], frame)
                case "progress":
                    self._progress = str(frame.frame["text"])

    def view(
        self,
        run: Run,
        *,
        cost: Cost,
        now_ns: int,
        billed: Sequence[Billed] = (),
        width_px: int = 800,
        window: tuple[float, float] | None = None,
        log_text: str = "",
        seq: int = 0,
        told: Mapping[str, Any] | None = None,
    ) -> View:
        """The run as it looks at `now_ns`, thinned to `width_px` columns of `window` (chart seconds; default: all).

        `cost` is the ledger's curve, `billed` are its entries, `log_text` the last lines of rank 0, `seq` the run's last
        journal row, `told` what the scheduler says of a run that waits.
        """
        end_ns = max(run.ended_ns or now_ns, run.submitted_ns)
        end_s = (end_ns - run.submitted_ns) / NS
        from_s, to_s = window or (0.0, end_s)
        bars, shades = self._bars_and_shades(run, now_ns, end_s)
        money_lane = dense(cost_lane(run, cost), 200)
        if window:
            bars = tuple(replace(bar, spans=inside(bar, from_s, to_s)) for bar in bars)
            money_lane = part_of(money_lane, from_s, to_s)
        curves = [
            windowed(lane, series, from_s, to_s, width_px, whole=not window) for lane, series in self._curves(run)
        ]
        measured = [
            part
            for lane, series in self._measured(run)
            for part in (
                windowed(lane, series, from_s, to_s, width_px, whole=not window),
                *self._gauges.under(lane, window, width_px),
            )
        ]
        heat = self._heat(width_px, window)
        lanes: tuple[Lane, ...] = (*bars, *heat, *curves, *measured, replace(money_lane, shade=shades))
        facts = self._facts(run, cost, end_ns)
        return View(
            run=run_summary(run, cost_micro=facts.cost_micro, seq=seq, told=told),
            cursor=self.cursor,
            origin_ns=run.submitted_ns,
            end_s=end_s,
            live=not run.ended,
            tiles=tiles(run, facts),
            lanes=lanes,
            legend=in_order(span.phase for bar in bars for span in bar.spans),
            log={"rank": 0, "text": log_text},
            verdict=dict(run.verdict) or None,
            headline=self._headline(run, billed, now_ns, anew=True),
            window=window,
        )

    def mark(self, view: View, width_px: int = 800) -> Mark:
        """What a watcher has who was sent this view."""
        bars = [lane for lane in view.lanes if isinstance(lane, PhaseLane)]
        column_s = max(view.end_s, 1.0) / width_px
        return Mark(
            cursor=view.cursor,
            shape=self._shape((lane.id for lane in view.lanes), view.legend),
            column_s=column_s,
            room=8 * width_px,
            spans={bar.id: signature(bar, view.end_s, column_s) for bar in bars},
            cost_t_s=last_t_s(view.lanes[-1]),
            shade=shade_signature(view.lanes[-1], column_s),
            heat=self._heat_signature(column_s),
            width_px=width_px,
            headline=view.headline,
            tiles=view.tiles,
            run=view.run,
            verdict=view.verdict,
        )

    def delta(
        self,
        since: Mark,
        run: Run,
        *,
        cost: Cost,
        now_ns: int,
        billed: Sequence[Billed] = (),
        seq: int = 0,
        told: Mapping[str, Any] | None = None,
    ) -> Delta:
        """What is new to the watcher at `since`; points of a curve are to be appended, spans of a bar replaced."""
        end_ns = max(run.ended_ns or now_ns, run.submitted_ns)
        end_s = (end_ns - run.submitted_ns) / NS
        bars, curves, gauges = self._bars(run, now_ns), self._curves(run), list(self._measured(run))
        money_lane = replace(cost_lane(run, cost), shade=shade(of_nodes(bars), end_s))
        legend = in_order(span.phase for bar in bars for span in bar.spans)
        ids = [*(bar.id for bar in bars), *self._heat_ids(), *(lane.id for lane, _ in curves)]
        ids += [part for lane, _ in gauges for part in (lane.id, *self._gauges.under_ids(lane))]
        shape = self._shape([*ids, money_lane.id], legend)
        if shape != since.shape or since.room <= 0:
            return Delta(body=None, mark=since, lanes_changed=True)
        spans = {bar.id: signature(bar, end_s, since.column_s) for bar in bars}
        fresh = {bar.id: [span.to_json() for span in bar.spans] for bar in bars if spans[bar.id] != since.spans[bar.id]}
        series = {lane.id: tail(lane, curve, since) for lane, curve in curves if curve.last_seq > since.cursor}
        for lane, curve in gauges:
            if curve.last_seq > since.cursor:
                series[lane.id] = tail(lane, curve, since)
            series |= {
                part.id: thin(part, t_s, v, since) for part, t_s, v in self._gauges.under_since(lane, since.cursor)
            }
        series |= cost_tail(money_lane, since)
        heat = self._heat_signature(since.column_s)
        said = self._headline(run, billed, now_ns, anew=run.ended)
        facts = self._facts(run, cost, end_ns)
        tiles_now, summary = tiles(run, facts), run_summary(run, cost_micro=facts.cost_micro, seq=seq, told=told)
        verdict = dict(run.verdict) or None
        changes: dict[str, Any] = {}
        if summary != since.run:
            changes["run"] = summary
        if tiles_now != since.tiles:
            changes["tiles"] = [tile.to_json() for tile in tiles_now]
        if verdict != since.verdict:
            changes["verdict"] = verdict
        if fresh:
            changes["spans"] = fresh
        if series:
            changes["series"] = series
        if heat != since.heat:
            changes["heat"] = {lane.id: lane.to_json() for lane in self._heat(since.width_px, None)}
        if said != since.headline:
            changes["headline"] = said
        mark = replace(
            since,
            cursor=self.cursor,
            room=since.room - max((len(each["t"]) for each in series.values()), default=0),
            spans=spans,
            cost_t_s=max(since.cost_t_s, last_t_s(money_lane)),
            shade=shade_signature(money_lane, since.column_s),
            heat=heat,
            headline=said,
            tiles=tiles_now,
            run=summary,
            verdict=verdict,
        )
        if not changes:
            return Delta(body=None, mark=mark)
        head = {"type": "delta", "cursor": self.cursor, "end_s": round(end_s, 3)}
        return Delta(body=head | changes, mark=mark)

    def _bars(self, run: Run, now_ns: int) -> tuple[PhaseLane, ...]:
        """The nodes' bars, under each those of its ranks."""
        bars: list[PhaseLane] = []
        placement = run.attempt.placement if run.attempt else None
        ranks = placement.world_size if placement else 0
        for node in range(node_count(run)):
            tracks = self._tracks.get(node, {})
            own = sorted({rank for of_attempt in tracks.values() for rank in of_attempt})
            under = len(own) > 1 and max(ranks, len(own)) <= MOST_RANK_BARS
            bar = phase_lane(run, node, tracks, now_ns, folded=under)
            bars.append(noted(bar, self._gaps.of_ranks(node)))
            bars += [
                noted(rank_lane(run, node, rank, tracks, now_ns), self._gaps.of_rank(rank, "told", "raw"))
                for rank in (own if under else ())
            ]
        return under_one(bars)

    def _bars_and_shades(self, run: Run, now_ns: int, end_s: float) -> tuple[tuple[PhaseLane, ...], Shades]:
        """The bars, and what of the bill is shaded for them; those of a run that has ended are made once."""
        if self._final is not None and self._final[0] is run and self._final[1] == self.cursor:
            return self._final[2]
        bars = self._bars(run, now_ns)
        made = bars, shade(of_nodes(bars), end_s)
        self._final = (run, self.cursor, made) if run.ended else None
        return made

    def _curves(self, run: Run) -> list[tuple[SeriesLane, Series]]:
        """Step time and logged values in the order they are drawn, their points not yet in them."""
        lane, series = self._steps.lane()
        lane = noted(lane, self._gaps.of_rank(self._steps.rank, "raw"))
        steps = (
            (replace(lane, parent="step_heat", name=f"rank {self._steps.rank}"), series)
            if self._heat_ids()
            else (lane, series)
        )
        drawn = [steps]
        for name, value in self._shown():
            lane, series = value_lane(name, value)
            drawn.append((noted(lane, self._gaps.of_rank(value.rank, "log")), series))
        return [pair for pair in drawn if pair[1].count or pair[1].dropped]

    def _measured(self, run: Run) -> Iterable[tuple[SeriesLane, Series]]:
        """The lanes of samples, their points not yet in them."""
        gaps = self._gaps.of_agents()
        return ((noted(lane, gaps), series) for lane, series in self._gauges.lanes(run))

    def _heat(self, width_px: int, window: tuple[float, float] | None) -> tuple[HeatLane, ...]:
        lane = strip(self.gathered.records, self.origin_ns, width_px, window, folded=True)
        return (lane,) if lane else ()

    def _heat_ids(self) -> tuple[str, ...]:
        return ("step_heat",) if len(self.gathered.records.ranks) > 1 else ()

    def _heat_signature(self, column_s: float) -> tuple[Any, ...]:
        """What a strip shows, to the column: it is sent again, whole, when another one has begun."""
        records = self.gathered.records
        return len(records.ranks), math.floor((records.end_ns - self.origin_ns) / NS / (4 * column_s))

    def _headline(self, run: Run, billed: Sequence[Billed], now_ns: int, *, anew: bool) -> str:
        """Where the money went; of many records only once a second."""
        when, said = self._said
        if anew or len(self.gathered.records) <= SMALL or now_ns - when >= NS:
            said = headline(run, goodput(self.gathered.parts(run, billed)))
            self._said = (now_ns, said)
        return said

    def _shown(self) -> list[tuple[str, Drawn]]:
        """Logged values that get a lane."""
        return [(name, self._values[name]) for name in shown_values(self._values)]

    def _shape(self, lane_ids: Iterable[str], legend: Iterable[str]) -> tuple[Any, ...]:
        """What a figure is built for."""
        restarts = self._steps.restarts + sum(drawn.restarts for drawn in self._values.values()) + self._gaps.count
        return (restarts, *lane_ids, *legend)

    def _facts(self, run: Run, cost: Cost, end_ns: int) -> Facts:
        return Facts(
            end_ns=end_ns,
            steps=self._steps.done,
            planned=self._planned(),
            steps_per_s=self._steps.per_s(live=not run.ended, now_ns=end_ns),
            logged=self.logged(),
            progress=self._progress,
            cost_micro=cost[-1][1] if cost else 0,
            speedup=self.speedup,
        )

    def logged(self) -> dict[str, float]:
        """The latest of each logged value, in order of first appearance."""
        return {name: drawn.series.last for name, drawn in self._values.items()}

    def _planned(self) -> int:
        """How many steps the program said last that it would do; 0 = not known."""
        told = (note for note in reversed(self.gathered.notes) if note.get("topic") == "plan")
        return next((int((note.get("data") or {}).get("steps") or 0) for note in told), 0)

    def _seconds(self, frame: Frame) -> float:
        return (frame.time_ns - self.origin_ns) / NS

    def _track(self, frame: Frame) -> Track:
        return self._track_of(frame.attempt, frame.node, int(frame.frame["rank"]))

    def _track_of(self, attempt: int, node: int, rank: int) -> Track:
        ranks = self._tracks.setdefault(node, {}).setdefault(attempt, {})
        if rank not in ranks:
            reached = [step for before, step in self._top_step.items() if before < attempt]
            ranks[rank] = Track(max(reached, default=-1))
        return ranks[rank]

    def _lose(self, gap: Gap, frame: Frame) -> None:
        """A part of what somebody said is damaged: whatever is drawn from it is broken there."""
        from_s, to_s = ((time_ns - self.origin_ns) / NS for time_ns in (gap.from_ns, gap.to_ns))
        if gap.rank < 0:
            if gap.hides("raw"):
                self._gauges.lose(gap, from_s, to_s, frame.seq)
            return
        self._track_of(gap.attempt, gap.node, gap.rank).lose(gap)
        if gap.rank == self._steps.rank and gap.hides("raw"):
            self._steps.series.break_off(from_s, frame.seq)
        for drawn in self._values.values():
            if gap.rank == drawn.rank and gap.hides("log"):
                drawn.series.break_off(from_s, frame.seq)

    def _phase(self, frame: Frame) -> None:
        self._track(frame).phase(frame.time_ns, str(frame.frame["phase"]))

    def _take_records(self, frame: Frame, records: Iterable[Record]) -> None:
        track = self._track(frame)
        for record in records:
            track.record(record.from_ns, record.to_ns, record.step, record.wait_ns)
            self._steps.record(frame, record, self.origin_ns)
            self._top_step[frame.attempt] = max(record.step, self._top_step.get(frame.attempt, -1))

    def _log(self, frame: Frame) -> None:
        rank, t_s = int(frame.frame["rank"]), self._seconds(frame)
        for name, value in frame.frame["values"].items():
            drawn = self._values.get(name)
            if drawn is None:
                if not keeps(self._values, name):
                    continue
                drawn = self._values[name] = Drawn(rank)
            drawn.add(frame, rank, t_s, float(value))
