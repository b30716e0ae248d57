"""A run as a person holds it: what `%%aicci train -o run` binds and `client.run(ref)` returns.

Rule: nothing is remembered but the id and the latest summary; every answer is asked for, so the handle is as good after
a restart of kernel or service as before, and two handles of one run never disagree.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jupyter_aicci.client.data import RunData
from jupyter_aicci.model.errors import NotFoundError
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.states import TERMINAL, State
from jupyter_aicci.store.logs import from_whole_line
from jupyter_aicci.timeline.bundle import bundle, bundle_metadata

if TYPE_CHECKING:
    from jupyter_aicci.client.calls import Calls
    from jupyter_aicci.client.source import Source
    from jupyter_aicci.client.widget import RunWidget
    from jupyter_aicci.timeline.lanes import View

LONG_POLL_S = 25.0
FOLLOW_S = 0.1  # between two looks at a growing log
CHUNK_BYTES = 262_144


class Run(RunData):
    """One run; `id` never changes, everything else is asked for."""

    def __init__(self, client: Calls, summary: Mapping[str, Any], notes: tuple[str, ...] = ()) -> None:
        self._client, self._summary, self.notes = client, dict(summary), notes
        self.id = RunId(str(summary["id"]))

    @property
    def name(self) -> str:
        return str(self._summary["name"])

    @property
    def state(self) -> State:
        """Where it stands now."""
        return State(self.summary()["state"])

    def summary(self) -> dict[str, Any]:
        """The keys of `aicci ps --json`, now."""
        self._summary = dict(self._client.wait_row(self.id, after=0, timeout_s=0.0)["run"])
        return dict(self._summary)

    def details(self) -> dict[str, Any]:
        """The summary with spec, attempts, verdict, what it waits for, and every row of its journal."""
        return self._client.details(self.id)

    def wait(self, timeout_s: float | None = None) -> dict[str, Any]:
        """The summary when the run has ended, or after `timeout_s` as it is then."""
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        seq = 0
        while True:
            left_s = LONG_POLL_S if deadline_s is None else min(LONG_POLL_S, deadline_s - time.monotonic())
            news = self._client.wait_row(self.id, after=seq, timeout_s=max(0.0, left_s))
            seq, self._summary = int(news["seq"]), dict(news["run"])
            if self._summary["state"] in TERMINAL or (deadline_s is not None and time.monotonic() >= deadline_s):
                return dict(self._summary)

    def stop(self, grace_s: float | None = None, reason: str = "") -> dict[str, Any]:
        """Ask it to end, with `grace_s` between SIGTERM and SIGKILL; a second call with less shortens the first."""
        return self._client.stop(self.id, grace_s=grace_s, reason=reason)

    def logs(self, rank: int = 0, *, tail_bytes: int = 1_000_000, attempt: int | None = None) -> str:
        """The end of what a rank printed, whole lines where it was cut."""
        size = int(self._client.logs(self.id, rank=rank, offset=-1, limit=1, attempt=attempt)["size"])
        offset, parts = max(0, size - tail_bytes), []
        cut = offset > 0
        while offset < size:
            answer = self._client.logs(self.id, rank=rank, offset=offset, limit=CHUNK_BYTES, attempt=attempt)
            if answer["offset"] <= offset:
                break
            parts.append(str(answer["text"]))
            offset = int(answer["offset"])
        text = "".join(parts)
        return from_whole_line(text) if cut else text

    def follow(self, rank: int = 0, *, tail_bytes: int = 65_536) -> Iterator[str]:
        """What a rank prints, as it appears, until the run has ended; goes on with the next attempt's log after a restart."""
        attempt, offset = 0, -tail_bytes
        while True:
            ended = self.state in TERMINAL
            latest = int(self._summary["attempt"])
            if latest != attempt:
                attempt, offset = latest, (offset if attempt == 0 else 0)
            answer = self._client.logs(self.id, rank=rank, offset=offset, limit=CHUNK_BYTES) if attempt else None
            if answer:
                offset = int(answer["offset"])
                if answer["text"]:
                    yield str(answer["text"])
                    continue
            if ended:
                return
            time.sleep(FOLLOW_S)

    def cost(self) -> dict[str, Any]:
        """The ledger: `total_micro, currency, price, entries, per_h_micro`."""
        return self._client.cost(self.id)

    @property
    def results(self) -> tuple[str, ...]:
        """Names of the values that rank 0 left behind (`--pull`)."""
        folder = self._client.home.results_dir(self.id)
        return tuple(sorted(path.stem for path in folder.glob("*.json"))) if folder.is_dir() else ()

    def result(self, name: str) -> Any:
        """The value of one `--pull` name; arrays are mapped, not read. Raises `NotFoundError` where rank 0 left none."""
        if name not in self.results:
            known = ", ".join(self.results) or "nothing yet"
            raise NotFoundError(
                "no_result", f"run {self.id} has no result '{name}'; it has {known}.",
                hint=f"Name it with --pull {name}; it is there when rank 0 has ended.", field="pull",
            )  # fmt: skip
        from jupyter_aicci.agent.values import load_value

        return load_value(self._client.home.results_dir(self.id), name)

    def view(self, width_px: int = 800) -> View:
        """The timeline, as everything that draws it takes it."""
        from jupyter_aicci.timeline.lanes import view_from_json

        return view_from_json(self._client.view(self.id, width_px=width_px))

    def picture(self) -> bytes:
        """The timeline as a PNG."""
        from jupyter_aicci.timeline.picture import picture

        return picture(self.view())

    def widget(self) -> RunWidget:
        """The run's card, live, for VS Code, Colab and other front ends that show widgets and have no extension of ours."""
        from jupyter_aicci.client.widget import RunWidget

        return RunWidget(self._client, self)

    @contextmanager
    def source(self) -> Iterator[Source]:
        """Its data as of now, open as long as the `with` lasts; frames are read from its folder, not through the service."""
        from jupyter_aicci.client.source import of_service

        with of_service(self._client.home.run_dir(self.id), self.details(), self.view) as source:
            yield source

    def __repr__(self) -> str:
        return f"<Run {self.id} {self._summary['state']}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Section 9: id and summary for the live view, the words, and the picture once the run has ended."""
        from jupyter_aicci.timeline.summary import summary_text

        view = self.view()
        data = bundle(view.run, summary_text(view), None if view.live else self.picture())
        return data, bundle_metadata(view.run)
