"""What a page needs to ask for a run: the options, what each shape would give, what this user may do, and the launch of a file.

Rule 1: paths that a page sends are paths of the file browser: relative ones begin at the server's root directory.
Rule 2: launches go through one thread, one after the other, so that one that is sent twice meets the first one's folder.
Rule 3: what a run needs is worked out by `client`, as for magics and the command line.
"""

from __future__ import annotations

import asyncio
import json
import sys
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_aicci.client import Client
from jupyter_aicci.client.fingerprint import fingerprint
from jupyter_aicci.client.program import Program
from jupyter_aicci.client.scripts import prepared, refuse_notebook_options
from jupyter_aicci.datasets.mounts import check_mounts
from jupyter_aicci.extension.handlers import AicciHandler
from jupyter_aicci.model.errors import AicciError, UserError
from jupyter_aicci.model.ids import RUN_ID, RunId
from jupyter_aicci.model.options import BY_FIELD, OPTIONS, Option, default_text, magic_line
from jupyter_aicci.model.spec import RunSpec, parse_spec
from jupyter_aicci.source.program import check_cell
from jupyter_aicci.store.paths import Home
from jupyter_aicci.store.sockets import answers

Json = dict[str, Any]


class LaunchHandler(AicciHandler):
    """Base: the request's JSON, and the folder that relative paths mean."""

    @property
    def here(self) -> Path:
        return Path(getattr(self.contents_manager, "root_dir", "") or ".").expanduser().absolute()

    def given(self) -> Json:
        """What was typed, by field."""
        given = self.body().get("given", {})
        if not isinstance(given, dict):
            raise UserError("bad_json", f"given must be a JSON object, not {type(given).__name__}.", field="given")
        return given

    def body(self) -> Json:
        try:
            data = json.loads(self.request.body or b"{}")
        except ValueError as error:
            raise UserError("bad_json", f"the request's body is not JSON: {error}.") from None
        if not isinstance(data, dict):
            raise UserError("bad_json", f"the request's body must be a JSON object, not {type(data).__name__}.")
        return data

    def text(self, name: str) -> str:
        """A text of the body, "" where it is missing."""
        value = self.body().get(name) or ""
        if not isinstance(value, str):
            raise UserError("bad_json", f"{name} must be text, not {type(value).__name__}.", field=name)
        return value


class Options(AicciHandler):
    """GET aicci/api/options → the option table, as a form needs it"""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        self.finish(json.dumps([option_row(option) for option in OPTIONS]))


class Awake(AicciHandler):
    """GET aicci/api/awake → {awake}: whether a service answers; none is started for that"""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        home = cast(Home, self.settings["aicci_home"])
        self.finish({"awake": await asyncio.to_thread(answers, home.service_socket)})


class Rights(AicciHandler):
    """GET aicci/api/rights → {launch, stop}"""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        self.finish({"launch": await self.may("execute"), "stop": await self.may("write")})


class ShapeForecasts(LaunchHandler):
    """POST aicci/api/forecasts {given, file?, cell?} → {magic, now_ns, asked, answers}; nothing is submitted"""

    @web.authenticated
    @authorized(action="read")  # type: ignore[untyped-decorator]
    async def post(self) -> None:
        given = self.given()
        magic, wanted = magic_line(given), spec_of(given)
        if await self.may("execute"):  # who may not run a program here is not told which files there are
            wanted = await asyncio.to_thread(self._completed, wanted)
        else:
            wanted = replace(wanted, data=())
        spec = replace(wanted, python=sys.executable)
        told = await self.ask("/v1/forecasts", {"spec": spec.to_json()})
        self.finish({"magic": magic} | told)

    def _completed(self, wanted: RunSpec) -> RunSpec:
        """With absolute paths and, where there is a program, which one it is."""
        mounts = check_mounts(wanted.data, base=self.here)
        data = [f"{mount.name}={mount.path}:{mount.mode}" for mount in mounts]
        spec = parse_spec(wanted.to_json() | {"data": data})
        try:
            return self._with_program(spec)
        except AicciError:
            return spec  # a program that is still being written; its launch says what is wrong with it

    def _with_program(self, spec: RunSpec) -> RunSpec:
        if file := self.text("file"):
            spec, program = prepared(file, (), spec, self.here)
        elif cell := self.text("cell"):
            checked = check_cell(cell.partition("\n")[2])
            spec = parse_spec(spec.to_json() | {"framework": checked.framework})
            program = Program(text=checked.text)
        else:
            return spec
        return parse_spec(spec.to_json() | {"fingerprint": fingerprint(spec, program)})


class LaunchFile(LaunchHandler):
    """POST aicci/api/launch {id, file, given} → summary; the same id twice is one run"""

    @web.authenticated
    @authorized(action="execute")  # type: ignore[untyped-decorator]
    async def post(self) -> None:
        run_id, file, given = self.text("id"), self.text("file"), self.given()
        if not RUN_ID.fullmatch(run_id):
            raise UserError("bad_id", f"{run_id!r} is no run id; expected r and seven base-32 digits.", field="id")
        if not file:
            raise UserError("no_file", "no file was named. Nothing was submitted.", field="file")
        threads, home = cast(Executor, self.settings["aicci_launching"]), cast(Home, self.settings["aicci_home"])
        work = (home, RunId(run_id), file, given, self.here)
        summary = await asyncio.get_running_loop().run_in_executor(threads, launched, *work)
        self.set_status(201)
        self.finish(summary)


def launched(home: Home, run_id: RunId, file: str, given: Json, here: Path) -> Json:
    """The summary of the run that a file became."""
    refuse_notebook_options(given)
    spec, program = prepared(file, (), spec_of(given), here)
    return Client(home).submit(spec, program, run_id=run_id).summary()


def spec_of(given: Json) -> RunSpec:
    """What was typed, as a spec; how the caller waits is not part of it. Raises `UserError` naming every defect."""
    return parse_spec({key: text for key, text in given.items() if _is_of_spec(key)})


def _is_of_spec(field: str) -> bool:
    return field not in BY_FIELD or BY_FIELD[field].face == "spec"  # an unknown one is refused with the rest


def option_row(option: Option) -> Json:
    """A row of the table as the page reads it."""
    return {
        "flag": option.flag,
        "field": option.field,
        "kind": option.kind,
        "help": option.help,
        "default": default_text(option),
        "metavar": option.metavar,
        "choices": list(option.choices),
        "repeats": option.repeats,
        "section": option.section,
    }


ROUTES: list[tuple[str, type[AicciHandler]]] = [
    (r"/aicci/api/options", Options),
    (r"/aicci/api/awake", Awake),
    (r"/aicci/api/rights", Rights),
    (r"/aicci/api/forecasts", ShapeForecasts),
    (r"/aicci/api/launch", LaunchFile),
]
