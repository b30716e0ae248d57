"""How fast runs are, and what more nodes would bring: measured from steps, kept beside the run, forecast from its siblings.

Siblings are runs of one program (`spec.fingerprint`) on one kind of accelerator, or without accelerators on one shape: the
probes of `--probe`, and every other run. What an ended run showed is kept in its folder (`speed.json`), so that forecasts have it
when its steps are long gone.
Rule 1: computed when it is asked for, and of several ranks also when findings are looked for and at the run's end; a run of one
rank has no ratio, and is measured when it or a sibling is asked for. A run that lives is looked at again after `EVERY_S` at the
earliest, and never takes more than a twentieth of the service's time.
Rule 2: what is not known is null with a reason, and a forecast without a measurement over nodes is refused.
Rule 3: a run whose frames are still being read (`Gathering`) is not known yet; who can wait for it awaits `complete` first.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jupyter_aicci.agent.files import read_json, write_json
from jupyter_aicci.model.errors import AicciError
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.run import Run
from jupyter_aicci.service.runs import Runs
from jupyter_aicci.store.disk import from_os_error
from jupyter_aicci.store.paths import Home

if TYPE_CHECKING:
    from jupyter_aicci.service.gathering import Gathering
    from jupyter_aicci.service.loop import Loop
    from jupyter_aicci.service.views import Views
    from jupyter_aicci.speedup.fit import Sample
    from jupyter_aicci.speedup.measure import Throughput
    from jupyter_aicci.timeline.evidence import Evidence

EVERY_S, SHARE = 0.5, 20.0  # and not before this many times what the last look took
MOST_SIBLINGS = 64  # the latest
W_PER_MJ_S = 0.001
LOG = logging.getLogger("aicci.service")

Json = dict[str, Any]


class Speeds:
    """What is known of the speed of every run."""

    def __init__(self, home: Home, runs: Runs, gathering: Gathering, views: Views, loop: Loop) -> None:
        self._home, self._runs, self._gathering, self._views, self._loop = home, runs, gathering, views, loop
        self._known: dict[RunId, tuple[float, Json]] = {}  # (when to look again, what was measured)

    async def speed(self, run: Run, nodes: Sequence[int] = ()) -> Json:
        """The answer of GET /v1/runs/REF/speed: what was measured, its ratio, and forecasts for `nodes`.

        Frames are read here, as for a view; models are fitted in a thread.
        """
        await self._read((*self._kin(run), run))
        run = self._runs[run.id]  # that was a while, perhaps
        own, siblings = self.measured(run), self.siblings(run)
        ratio, why = self._ratio(own, siblings)
        shares = {count: self._bandwidth(run, count) for count in nodes}
        forecasts, refused = await asyncio.to_thread(_forecasts, own, siblings, shares) if nodes else ([], "")
        return own | {
            "speedup": ratio,
            "speedup_why": why,
            "siblings": [sibling["id"] for sibling in siblings],
            "forecasts": forecasts,
            "forecast_refused": refused or None,
        }

    def facts(self, run: Run) -> Json:
        """`speedup` of the facts that findings read; {} where no ratio was measured, as of one rank there is none.

        A mistake in here costs the ratio, never what else is shown.
        """
        if not _has_ratio(run):
            return {}
        try:
            ratio, _ = self._ratio(self.measured(run), self.siblings(run))
        except Exception:
            LOG.exception("the speed-up of run %s", run.id)
            return {}
        return {"speedup": {"efficiency": ratio["ratio"], "ranks": ratio["ranks"], "measured": True}} if ratio else {}

    def ready(self, run: Run) -> bool:
        """Whether `facts` of the run can be told without frames of others that are not read yet."""
        others = self._kin(run) if _has_ratio(run) else ()
        return all(self._fresh(one) is not None or self._gathering.ready(one) for one in others)

    async def complete(self, run: Run) -> None:
        """Return when `facts` of the run can be told, whatever frames of others that takes."""
        if _has_ratio(run):
            await self._read(self._kin(run))

    async def _read(self, runs: Iterable[Run]) -> None:
        """Have runs measured whose frames are not read yet; one whose frames cannot be read stays unknown."""
        for run in runs:
            if self._fresh(run) is None:
                with suppress(AicciError):
                    await self._gathering.complete(run)
                    self.measured(run)

    def measured(self, run: Run) -> Json:
        """What the run itself showed; of an ended run as it was kept."""
        found = self._fresh(run)
        if found is not None:
            return found
        began_s = time.monotonic()
        final = self._gathering.ready(run) and run.ended
        found = self._measure(run) | {"final": final}
        path = self._home.speed_json(run.id)
        if final and path.parent.is_dir():  # also that there is nothing: its frames are not read again for that
            try:
                write_json(path, found)
            except OSError as error:
                raise from_os_error(error, path, "writing to") from None
        return self._keep(run, found, began_s)

    def _fresh(self, run: Run) -> Json | None:
        """What was measured, where that is not to be done again."""
        again_s, known = self._known.get(run.id, (0.0, None))
        began_s = time.monotonic()
        if known is not None and (known["final"] or (not run.ended and began_s < again_s)):
            return known
        found: Json | None = read_json(self._home.speed_json(run.id)) if run.ended else None
        return None if found is None else self._keep(run, found, began_s)

    def _keep(self, run: Run, found: Json, began_s: float) -> Json:
        took_s = time.monotonic() - began_s
        self._known[run.id] = began_s + max(EVERY_S, SHARE * took_s), found
        return found

    async def of_program(self, fingerprint: str, shape: Mapping[str, Any]) -> list[Json]:
        """What was measured of a program on a shape's kind of accelerator, newest first."""
        kin = self._of_kind((fingerprint, shape["accelerator"] or shape["name"]))
        await self._read(kin)
        known = [self.measured(self._runs[run.id]) for run in kin]
        return [one for one in known if one["measured"]]

    def forecast(self, own: Json, siblings: list[Json], bandwidths: Mapping[int, int]) -> tuple[list[Json], str]:
        """(a forecast for each node count, why there is none); fits models, so it is called in a thread."""
        return _forecasts(own, siblings, bandwidths)

    def siblings(self, run: Run) -> list[Json]:
        """What was measured of this program on this kind of accelerator, the run itself included, newest first."""
        known = [self.measured(other) for other in self._kin(run)]
        return [one for one in known if one["measured"]]

    def _kin(self, run: Run) -> tuple[Run, ...]:
        """Runs of this program on this kind of accelerator that began, the run itself included, newest first."""
        return self._of_kind(_kind(run)) if run.spec.fingerprint else ()

    def _of_kind(self, kind: tuple[str, ...]) -> tuple[Run, ...]:
        same = [other for other in self._runs.newest_first() if _kind(other) == kind]
        return tuple(other for other in same[:MOST_SIBLINGS] if other.attempts)

    def _measure(self, run: Run) -> Json:
        attempt = run.attempt
        placement = attempt.placement if attempt else None
        about = {
            "id": run.id,
            "name": run.name,
            "state": str(run.state),
            "fingerprint": run.spec.fingerprint,
            "shape": run.shape,
            "accelerator": placement.shape.accelerator if placement else "",
            "nodes": len(placement.nodes) if placement else run.spec.nodes,
            "per_node_micro": run.price.micro_per_h if run.price.known and not run.price_is_open else None,
            "currency": run.price.currency,
            "bandwidth_bytes_per_s": placement.bandwidth.bus_bytes_per_s if placement and placement.bandwidth else 0,
        }
        none: Json = {"measured": None, "why": "it has not started", "power_w": None, "mfu": None, "mfu_why": ""}
        if attempt is None or placement is None:
            return about | none
        if not self._gathering.ready(run):
            return about | none | {"why": "its frames are still being read"}
        evidence = self._views.evidence(run)
        found = measured(evidence)
        if found is None:
            return about | none | {"why": "too few steps were seen: 5 after the first 10 are needed"}
        from jupyter_aicci.speedup.mfu import utilisation

        used = utilisation(
            self._gathering.of(run).logged(), step_s=found.step_s, accelerator=placement.shape.accelerator
        )
        return about | {
            "measured": found.to_json(),
            "why": "",
            "power_w": power_w(evidence),
            "mfu": used.ratio,
            "mfu_why": used.why,
        }

    def _ratio(self, own: Json, siblings: list[Json]) -> tuple[Json | None, str]:
        from jupyter_aicci.speedup.measure import speed_up, throughput_from_json

        if not own["measured"]:
            return None, own["why"]
        mine = throughput_from_json(own["measured"])
        fewer = [one for one in siblings if one["measured"]["ranks"] < mine.ranks]
        if not fewer:
            few = "it has one rank" if mine.ranks == 1 else "no run of this program with fewer ranks has been measured"
            return None, few
        base = min(fewer, key=lambda one: (one["measured"]["ranks"], one["nodes"], not one["measured"]["steady"]))
        return speed_up(mine, throughput_from_json(base["measured"])).to_json() | {"baseline_id": base["id"]}, ""

    def _bandwidth(self, run: Run, nodes: int) -> int:
        """Bytes a second that the run would get on so many nodes; 0 where there is no room for them."""
        spec = replace(run.spec, nodes=nodes, min_nodes=0)
        if self._loop.line.refusal(spec):
            return 0
        found = self._loop.line.foresee(spec).expected.bandwidth
        return found.bus_bytes_per_s if found is not None else 0


NO_ROOM = "this cluster has no room for it; at the bandwidth that was measured with"


def _forecasts(own: Json, siblings: list[Json], bandwidths: Mapping[int, int]) -> tuple[list[Json], str]:
    """(a forecast for each node count, why there is none)"""
    from jupyter_aicci.speedup.fit import fit
    from jupyter_aicci.speedup.model import Where
    from jupyter_aicci.speedup.predict import predict, refuse

    samples, reference = samples_of(siblings)
    try:
        refuse(samples)
        fitted, like = fit(samples), own if own["measured"] else siblings[0]
        batch = like["measured"]["batch"] if samples_have_batch(siblings) else 1.0
        each = like["measured"]["ranks"] // like["nodes"]
        places = [
            Where(nodes=count, ranks=count * each, batch=batch, bandwidth_ratio=_share(count, bus, reference))
            for count, bus in bandwidths.items()
        ]
        return [_told(own, siblings, predict(fitted, at).to_json(), bandwidths[at.nodes]) for at in places], ""
    except AicciError as error:
        return [], f"{error.message} {error.hint}"


def _share(nodes: int, bus_bytes_per_s: int, reference: float) -> float:
    """Of the bandwidth that was measured with; 1.0 where nobody knows."""
    return bus_bytes_per_s / reference if nodes > 1 and reference and bus_bytes_per_s else 1.0


def _told(own: Json, siblings: Sequence[Json], forecast: Json, bus_bytes_per_s: int) -> Json:
    """A forecast with what it costs, and what to know beside it."""
    per_node, nodes = own["per_node_micro"], forecast["nodes"]
    more = {
        "per_h_micro": None if per_node is None else per_node * nodes,
        "note": _and(forecast["note"], NO_ROOM if nodes > 1 and not bus_bytes_per_s else ""),
    }
    return forecast | more | ({} if samples_have_batch(siblings) else {"samples_per_s": None})


def measured(evidence: Evidence) -> Throughput | None:
    """The steady state of the latest attempt, None where it has shown too few steps."""
    from jupyter_aicci.speedup.measure import Records, throughput

    attempt = evidence.run.attempt
    if attempt is None:
        return None
    steps = evidence.steps.of(evidence.steps.attempt == attempt.number)
    began_s = (attempt.placed_ns - evidence.run.submitted_ns) / 1e9
    return throughput(
        Records(rank=steps.rank, step=steps.step, count=steps.count, duration_s=steps.to_s - steps.from_s),
        nodes=len(attempt.placement.nodes),
        ranks=attempt.placement.world_size,
        batch=batch_of(evidence.notes),
        startup_s=float(steps.from_s.min()) - began_s if len(steps.rank) else 0.0,
    )


def batch_of(notes: Sequence[Mapping[str, Any]]) -> float:
    """Samples a rank and step, of the first loader that the lowest rank started; 0 where none told."""
    told = [note for note in notes if note.get("topic") == "loader" and (note.get("data") or {}).get("batch")]
    first = min(told, key=lambda note: (int(note.get("rank", 0)), note["t_s"]), default=None)
    return float(first["data"]["batch"]) if first else 0.0


def power_w(evidence: Evidence) -> float | None:
    """Mean power of all its accelerators while it stepped, from their energy counters; None where there are none."""
    import numpy as np

    owners, steps = evidence.owners.get("energy", ()), evidence.steps
    if not owners or not len(steps.rank):
        return None
    from_s, to_s = float(steps.from_s.min()), float(steps.to_s.max())
    total = 0.0
    for owner in owners:
        t_s, mj_per_s = evidence.series("energy", owner)
        inside = mj_per_s[(t_s >= from_s) & (t_s <= to_s)]
        if not np.isfinite(inside).any():
            return None
        total += float(np.nanmean(inside)) * W_PER_MJ_S
    return total


def samples_of(siblings: Sequence[Json]) -> tuple[tuple[Sample, ...], float]:
    """(what the fit takes, the bandwidth across nodes that the ratios are of; 0 = not known)"""
    from jupyter_aicci.speedup.fit import Sample
    from jupyter_aicci.speedup.model import Where

    several = [one["bandwidth_bytes_per_s"] for one in siblings if one["nodes"] > 1 and one["bandwidth_bytes_per_s"]]
    reference = float(max(several, default=0))
    known = samples_have_batch(siblings)
    samples = tuple(
        Sample(
            at=Where(
                nodes=one["nodes"],
                ranks=one["measured"]["ranks"],
                batch=one["measured"]["batch"] if known else 1.0,
                bandwidth_ratio=(one["bandwidth_bytes_per_s"] or reference) / reference
                if reference and one["nodes"] > 1
                else 1.0,
            ),
            step_s=one["measured"]["step_s"],
        )
        for one in siblings
    )
    return samples, reference


def samples_have_batch(siblings: Sequence[Json]) -> bool:
    """Whether every one of them told its batch; else each rank's is taken to be the same."""
    return all(one["measured"]["batch"] for one in siblings)


def _has_ratio(run: Run) -> bool:
    """Whether a run of its size can be compared with a smaller one."""
    return run.attempt is not None and run.attempt.placement.world_size > 1


def _kind(run: Run) -> tuple[str, ...]:
    """What siblings have in common."""
    shape = run.attempt.placement.shape if run.attempt else None
    kind = (shape.accelerator or shape.name) if shape else ""
    return run.spec.fingerprint, kind


def _and(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
