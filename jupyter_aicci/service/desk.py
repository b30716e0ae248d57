"""What the routes ask for: submits, stops, and the lists; everything else is read from `runs`, `views`, `forecasts` and `site`.

Rule 1: a run is accepted whole or not at all: spec, shape, queue and program are looked at first, then it is one transaction.
Rule 2: what is answered is in the journal.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jupyter_aicci import __version__
from jupyter_aicci.agent.files import write_json
from jupyter_aicci.model.errors import ConflictError, UserError
from jupyter_aicci.model.events import Corrected, Stepped, StopRequested, Submitted
from jupyter_aicci.model.ids import RUN_ID, RunId
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.shapes import Price
from jupyter_aicci.model.spec import MOST_GRACE_S, RunSpec, parse_mount, parse_spec
from jupyter_aicci.model.states import ExitClass, State, Step
from jupyter_aicci.pricing.book import PriceBook
from jupyter_aicci.service.bills import Bills
from jupyter_aicci.service.conditions import Conditions
from jupyter_aicci.service.engine import Engine
from jupyter_aicci.service.forecasts import Forecasts
from jupyter_aicci.service.gathering import Gathering
from jupyter_aicci.service.limits import parse_deadline_ns, refuse_budget
from jupyter_aicci.service.loop import Loop
from jupyter_aicci.service.runs import Runs, same_spec
from jupyter_aicci.service.settling import Settling
from jupyter_aicci.service.site import Site
from jupyter_aicci.service.speed import Speeds
from jupyter_aicci.service.views import Views
from jupyter_aicci.store.disk import from_os_error
from jupyter_aicci.store.paths import Home


class Desk:
    """One service, as its routes see it."""

    def __init__(self, home: Home, runs: Runs, loop: Loop, engine: Engine, prices: PriceBook) -> None:
        self.home, self.runs, self.loop, self.engine, self.prices = home, runs, loop, engine, prices
        self.gathering = Gathering(home, runs, loop.store)
        self.views = Views(home, runs, self.gathering, loop.store, engine.look_closer)
        self.speeds = Speeds(home, runs, self.gathering, self.views, loop)
        self.views.facts, self.views.facts_known = self.speeds.facts, self.speeds.complete
        self.bills = Bills(runs, self.gathering)
        self.forecasts, self.site = Forecasts(self), Site(self)
        self.settling = Settling(home, runs, self.gathering, self.views, self.speeds, self.bills)
        self.conditions = Conditions(self.bills.values)
        loop.settle, loop.conditions = self._settle, self.conditions.rows
        self.started_ns = runs.clock.now_ns()
        self.watchers: Counter[RunId] = Counter()  # how many follow a run's stream now
        self.shut_down: Callable[[], None] = lambda: None

    def _settle(self, run: Run, then: Callable[[Run], None]) -> None:
        """The run has ended: what was wrong with it and where its money went goes into its journal, then `then` is called."""
        self.conditions.forget(run)
        self.settling.end(run, self.loop.store(run.id), then)

    def close(self) -> None:
        """Read and settle nothing more; the next service does what is left."""
        self.settling.close()
        self.gathering.close()
        self.site.data.close()

    def status(self) -> dict[str, Any]:
        """The answer of GET /v1/status."""
        unfinished = self.runs.unfinished()
        holding = sum(run.holds_nodes for run in unfinished)
        return {
            "pid": os.getpid(),
            "version": __version__,
            "started_ns": self.started_ns,
            "home": str(self.home.root),
            "running": holding,
            "queued": len(unfinished) - holding,
            "notes": list(self.runs.journal.losses),
        }

    def submit(self, body: Mapping[str, Any], owner: str = "") -> Run:
        """Accept a run of `owner`, whom the kernel named; the same id with the same spec again is the run that is there."""
        run_id, spec = _run_id(body.get("id")), replace(self.spec(body), owner=owner)
        if run_id in self.runs:
            same_spec(self.runs[run_id], spec.to_json())
            return self.runs[run_id]
        self.refuse(run_id, spec)
        self._must_be_laid_out(run_id, spec)
        self._keep_secrets(run_id, spec, body.get("secrets", {}))
        now_ns = self.runs.clock.now_ns()
        prices = {name: price.to_json() for name, price in self._prices().items()}
        submitted = Submitted(run_id=run_id, time_ns=now_ns, spec=spec.to_json(), prices=prices)
        enqueued = Stepped(run_id=run_id, time_ns=now_ns, step=Step.ENQUEUE, attempt=0, reason="waits for its nodes")
        _write(self.home.spec_json(run_id), spec.to_json())
        self.runs.record((submitted, enqueued))
        self.loop.kick()
        return self.runs[run_id]

    def correct(self, run: Run, body: Mapping[str, Any], by: str = "") -> Run:
        """Put an amount beside the run's bill, as an invoice has it; what is there stays. Raises `UserError` "bad_correction"."""
        amount, reason = body.get("amount_micro"), str(body.get("reason") or "").strip()[:500]
        if not isinstance(amount, int) or isinstance(amount, bool) or not amount or not reason:
            raise UserError(
                "bad_correction", f"amount_micro {amount!r}, reason {reason!r}: expected micro-units that are not 0, and a reason. "
                "Nothing was corrected.", hint="A negative amount is given back.", field="amount_micro",
            )  # fmt: skip
        now_ns = self.runs.clock.now_ns()
        self.runs.record((Corrected(run_id=run.id, time_ns=now_ns, amount_micro=amount, reason=reason, by=by),))
        return self.runs[run.id]

    def stop(self, run: Run, body: Mapping[str, Any]) -> Run:
        """Record the wish to stop, and act on it. Raises `ConflictError` for a run that has ended."""
        if run.ended:
            raise ConflictError(
                "run_ended", f"run {run.id} has ended already: {run.state}.", hint=f"`aicci describe {run.id}`"
            )
        grace_s = _grace(body.get("grace_s", run.spec.grace))
        reason = str(body.get("reason") or "stopped by its owner")[:500]
        wish = StopRequested(
            run_id=run.id,
            time_ns=self.runs.clock.now_ns(),
            reason=reason,
            exit_class=str(ExitClass.STOPPED),
            grace_s=grace_s,
        )
        if run.stop is None or grace_s < run.stop.grace_s:
            self.runs.record((wish,))
            self.loop.hasten(run.id, grace_s, reason)
        self.loop.kick()
        return self.runs[run.id]

    def shapes(self) -> list[dict[str, Any]]:
        """What a node may get, with its price, and how many nodes of it fit now and when nothing runs."""
        cluster = self.loop.line.cluster()
        whole = cluster.emptied()
        return [
            replace(shape, price=self.prices.price(shape.name)).to_json()
            | {"free": cluster.room(shape), "total": whole.room(shape)}
            for shape in whole.shapes
        ]

    def queues(self) -> list[dict[str, Any]]:
        """Where runs wait, what each queue may count on, what its runs hold, how many run and wait."""
        from jupyter_aicci.service.queue_rows import queue_rows

        return queue_rows(self.loop.line.queues, self.runs.unfinished(), self.loop.line.cluster().emptied())

    def spec(self, body: Mapping[str, Any]) -> RunSpec:
        """The spec of a request. Its mounts' paths are absolute: only the caller knows what a relative one means."""
        data = body.get("spec")
        if not isinstance(data, dict):
            raise UserError("bad_spec", "the request has no 'spec' object.", field="spec")
        spec = parse_spec(data)
        parse_deadline_ns(spec.deadline, submitted_ns=self.runs.clock.now_ns())
        relative = [item for item in spec.data if not os.path.isabs(parse_mount(item).path)]
        if relative:
            raise UserError(
                "bad_data", f"--data {', '.join(relative)}: the path is not absolute. Nothing was submitted.",
                hint="Give the whole path.", field="data",
            )  # fmt: skip
        return spec

    def refuse(self, run_id: RunId, spec: RunSpec) -> None:
        """Raise `UserError` for a run that could never start, or never be paid."""
        error = self.loop.line.refusal(spec)
        if error:
            raise error
        self._refuse_unpayable(run_id, spec)

    def _prices(self) -> dict[str, Price]:
        return {shape.name: self.prices.price(shape.name) for shape in self.engine.inventory().shapes}

    def _refuse_unpayable(self, run_id: RunId, spec: RunSpec) -> None:
        """A budget that cannot be held or is spent before a first step, and a user or queue that has nothing left."""
        prices = self._prices()
        refuse_budget(spec, [price for name, price in prices.items() if name in spec.shape or "auto" in spec.shape])
        now_ns = self.runs.clock.now_ns()
        run = Run(id=run_id, spec=spec, prices=prices, state=State.SUBMITTED, submitted_ns=now_ns)
        error = self.loop.budgets.refusal(run)
        if error:
            raise error

    def _must_be_laid_out(self, run_id: RunId, spec: RunSpec) -> None:
        if not spec.launcher and not (self.home.src_dir(run_id) / spec.source).is_file():
            raise UserError(
                "no_program", f"{self.home.src_dir(run_id) / spec.source} is not there. Nothing was submitted.",
                hint="jupyter_aicci.client.Client.submit puts it there.", field="source",
            )  # fmt: skip

    def _keep_secrets(self, run_id: RunId, spec: RunSpec, values: Any) -> None:
        """In a file that only its owner may read; the journal never sees a value."""
        if not spec.secret:
            return
        if not isinstance(values, dict) or not all(isinstance(values.get(name), str) for name in spec.secret):
            raise UserError(
                "bad_secrets", "the request lacks the value of a --secret. Nothing was submitted.", field="secret"
            )
        _write(self.home.secrets_json(run_id), {name: values[name] for name in spec.secret})


def _write(path: Path, body: dict[str, Any]) -> None:
    try:
        write_json(path, body)  # mode 0600
    except OSError as error:
        raise from_os_error(error, path, "writing to") from None


def _run_id(raw: Any) -> RunId:
    if not isinstance(raw, str) or not RUN_ID.fullmatch(raw):
        raise UserError("bad_id", f"{raw!r} is no run id; expected r and seven base-32 digits.", field="id")
    return RunId(raw)


def _grace(raw: Any) -> float:
    if isinstance(raw, bool) or not isinstance(raw, (int, float)) or not 0 <= raw <= MOST_GRACE_S:
        raise UserError("bad_grace", f"grace_s {raw!r}: expected seconds from 0 to {MOST_GRACE_S:.0f}.", field="grace")
    return float(raw)
