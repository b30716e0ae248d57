"""The routes of docs/explanation/processes-and-files.md section 6: each reads its request, asks the desk, answers.

Rule: no logic here; a route that needs more than ten lines belongs into a module of its own.
"""

from __future__ import annotations

import asyncio
from typing import Any

from tornado.web import RequestHandler

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.pricing.report import BY
from jupyter_aicci.service import logs
from jupyter_aicci.service.http import JsonHandler
from jupyter_aicci.service.site_stream import SiteStreamHandler
from jupyter_aicci.service.stream import StreamHandler
from jupyter_aicci.speedup.sizes import parse_counts

MOST_WAIT_S = 300.0
MOST_LOG_BYTES = 4_000_000


class Status(JsonHandler):
    def get(self) -> None:
        self.answer(self.desk.status())


class RunList(JsonHandler):
    def get(self) -> None:
        self.answer([self.desk.runs.summary(run) for run in self.desk.runs.newest_first()])

    def post(self) -> None:
        run = self.desk.submit(self.body(), self.caller)
        self.answer(self.desk.runs.details(run), 201)


class OneRun(JsonHandler):
    async def get(self, ref: str) -> None:
        run = await self.desk.views.complete(self.desk.runs.find(ref))
        self.answer(self.desk.runs.details(run) | {"findings": list(self.desk.views.findings(run))})


class Stop(JsonHandler):
    def post(self, ref: str) -> None:
        run = self.desk.stop(self.desk.runs.find(ref), self.body())
        self.answer(self.desk.runs.summary(run))


class Wait(JsonHandler):
    """Long poll; who goes away while waiting is forgotten at the next ring."""

    async def get(self, ref: str) -> None:
        runs, clock = self.desk.runs, asyncio.get_running_loop().time
        run_id = runs.find(ref).id
        after = self.whole("after", 0, low=0, high=1 << 62)
        deadline_s = clock() + self.number("timeout_s", 30.0, low=0.0, high=MOST_WAIT_S)
        while runs.seq(run_id) <= after and clock() < deadline_s and not self._gone():
            await runs.bell.wait(deadline_s - clock())
        if not self._gone():
            watchers = self.desk.watchers[run_id]
            self.answer({"seq": runs.seq(run_id), "run": runs.summary(runs[run_id]), "watchers": watchers})

    def _gone(self) -> bool:
        stream: Any = self.request.connection
        return stream is None or getattr(stream, "stream", None) is None or stream.stream.closed()


class Logs(JsonHandler):
    def get(self, ref: str) -> None:
        self.answer(
            logs.read(
                self.desk.home,
                self.desk.runs.find(ref),
                rank=self.whole("rank", 0, low=0, high=1 << 31),
                offset=self.whole("offset", 0, low=-(1 << 62), high=1 << 62),
                limit=self.whole("limit", 65_536, low=4, high=MOST_LOG_BYTES),
                number=self.whole("attempt", 0, low=0, high=1 << 31),
            )
        )


class Cost(JsonHandler):
    async def get(self, ref: str) -> None:
        self.answer(await self.desk.bills.answer(self.desk.runs.find(ref)))

    async def post(self, ref: str) -> None:
        run = self.desk.correct(self.desk.runs.find(ref), self.body(), self.caller)
        self.answer(await self.desk.bills.answer(run), 201)


class Costs(JsonHandler):
    async def get(self) -> None:
        by = self.get_query_argument("by", "user")
        if by not in BY:
            raise UserError("bad_by", f"?by={by}: expected one of {', '.join(BY)}.", field="by")
        self.answer(await self.desk.bills.report(by))


class Focus(JsonHandler):
    async def get(self) -> None:
        self.answer(await self.desk.bills.focus())


class View(JsonHandler):
    async def get(self, ref: str) -> None:
        width_px = self.whole("width_px", 800, low=50, high=10_000)
        run, window = self.desk.runs.find(ref), self._window()
        run = await self.desk.views.complete(run)
        self.answer(self.desk.views.view(run, width_px=width_px, window=window).to_json())

    def _window(self) -> tuple[float, float] | None:
        """From and to in chart seconds, None = all of the run."""
        missing = [name for name in ("from_s", "to_s") if not self.get_query_argument(name, "")]
        if len(missing) == 2:
            return None
        if missing:
            raise UserError("half_window", f"from_s and to_s go together, {missing[0]} is missing.", field=missing[0])
        window = self.number("from_s", 0.0, low=-1e9, high=1e12), self.number("to_s", 0.0, low=-1e9, high=1e12)
        if window[1] <= window[0]:
            raise UserError("bad_window", "to_s must be greater than from_s.", field="to_s")
        return window


class Speed(JsonHandler):
    async def get(self, ref: str) -> None:
        run, nodes = self.desk.runs.find(ref), parse_counts(self.get_query_argument("nodes", ""))
        self.answer(await self.desk.speeds.speed(run, nodes))


class Forecast(JsonHandler):
    def get(self) -> None:
        self.answer(self.desk.forecasts.line())

    def post(self) -> None:
        self.answer(self.desk.forecasts.one(self.body(), self.caller))


class EveryForecast(JsonHandler):
    async def post(self) -> None:
        self.answer(await self.desk.forecasts.every(self.body(), self.caller))


class Shapes(JsonHandler):
    def get(self) -> None:
        self.answer(self.desk.shapes())


class Queues(JsonHandler):
    def get(self) -> None:
        self.answer(self.desk.queues())


class Data(JsonHandler):
    def get(self) -> None:
        self.answer(self.desk.site.data.rows(self.desk.runs.newest_first()))


class Metrics(JsonHandler):
    async def get(self) -> None:
        from jupyter_aicci.service.exposition import exposition
        from jupyter_aicci.timeline.openmetrics import CONTENT_TYPE

        text = await exposition(self.desk)
        self.set_header("Content-Type", CONTENT_TYPE)
        self.finish(text)


class Warm(JsonHandler):
    async def post(self) -> None:
        body = self.body()
        python, framework = str(body.get("python", "")), str(body.get("framework", ""))
        await asyncio.to_thread(self.desk.engine.warm, python, framework)
        self.answer({}, 202)


class Shutdown(JsonHandler):
    def post(self) -> None:
        self.answer({})
        self.desk.shut_down()


REF = r"([^/]+)"
ROUTES: list[tuple[str, type[RequestHandler]]] = [
    (r"/v1/status", Status),
    (r"/v1/runs", RunList),
    (rf"/v1/runs/{REF}", OneRun),
    (rf"/v1/runs/{REF}/stop", Stop),
    (rf"/v1/runs/{REF}/wait", Wait),
    (rf"/v1/runs/{REF}/logs", Logs),
    (rf"/v1/runs/{REF}/cost", Cost),
    (rf"/v1/runs/{REF}/view", View),
    (rf"/v1/runs/{REF}/speed", Speed),
    (rf"/v1/runs/{REF}/stream", StreamHandler),
    (r"/v1/costs", Costs),
    (r"/v1/costs/focus", Focus),
    (r"/v1/forecast", Forecast),
    (r"/v1/forecasts", EveryForecast),
    (r"/v1/stream", SiteStreamHandler),
    (r"/v1/shapes", Shapes),
    (r"/v1/queues", Queues),
    (r"/v1/data", Data),
    (r"/v1/metrics", Metrics),
    (r"/v1/warm", Warm),
    (r"/v1/shutdown", Shutdown),
]
