"""Watching a run from a cell: its card, the wait, the Stop ladder, and the end.

In: a run, new or old. Out: returns when it succeeded (values bound), raises one of `outcomes` otherwise.
Stop: the first press detaches the view and says how to come back; a second one within `SECOND_PRESS_S` cancels the run
with its grace; `--on-stop cancel` cancels at once. The kernel is free again after each.
Rule: the wait blocks in a socket read, which Stop interrupts at once; nothing here awaits or sleeps.
"""

from __future__ import annotations

import time
from typing import Any

from jupyter_aicci.client import Client, Program, Run
from jupyter_aicci.magics.card import Card
from jupyter_aicci.magics.outcomes import Cancelled, Detached, RunFailed, RunStopped
from jupyter_aicci.magics.pictures import Pictures, is_notebook
from jupyter_aicci.model.errors import AicciError, ConflictError
from jupyter_aicci.model.spec import RunSpec
from jupyter_aicci.model.states import TERMINAL, State
from jupyter_aicci.render.failures import headline, report, root_rank
from jupyter_aicci.render.runs import first_line

POLL_S = 10.0  # one long poll; news comes earlier
SECOND_PRESS_S = 3.0
LOG_END_BYTES = 16_384


class Watch:
    """One cell that shows one run."""

    def __init__(self, shell: Any, client: Client, run: Run, *, on_stop: str = "detach") -> None:
        self.run = run
        self._shell, self._client, self._on_stop = shell, client, on_stop
        self._card: Card | None = None
        self._seq = 0
        self._pictures = Pictures(run.picture, wanted=is_notebook(shell))

    @classmethod
    def submit(cls, shell: Any, client: Client, spec: RunSpec, program: Program, *, on_stop: str) -> Watch:
        """Submit the run; Stop within these few milliseconds leaves none without a word about it."""
        try:
            run = client.submit(spec, program)
        except KeyboardInterrupt:
            print("stopped while submitting; %aicci ps shows whether the run was accepted")
            raise Detached("stopped while submitting") from None
        return cls(shell, client, run, on_stop=on_stop)

    def show(self) -> Card:
        """The card, put on the screen the first time, with what the snapshot left out under it."""
        if self._card is None:
            summary = self.run.summary()
            self._card = Card(summary, first_line(summary))
            for note in self.run.notes:
                print("note:", note)
        return self._card

    def until_ended(self, *, missing: tuple[str, ...] = ()) -> None:
        """Show, wait, then bind what the run left. Raises `RunFailed`, `RunStopped`, `Detached` or `Cancelled`."""
        cancelled = False
        try:
            self.show()
            summary = self._wait(None)
        except KeyboardInterrupt:
            if self._on_stop == "cancel":
                cancelled, summary = True, self._cancel()
            else:
                cancelled, summary = self._second_press()
        self._finish(summary, missing, cancelled=cancelled)

    def how_to_come_back(self) -> str:
        """What a detached run needs: one line to type."""
        return f"{self.run.id} goes on without this cell: %aicci attach {self.run.id} shows it again."

    def _wait(self, timeout_s: float | None) -> dict[str, Any]:
        """The summary at the run's end, or after `timeout_s` as it is then; the card follows the state."""
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left_s = min(POLL_S, self._pictures.left_s())
            left_s = left_s if deadline_s is None else max(0.0, min(left_s, deadline_s - time.monotonic()))
            news = self._client.wait_row(self.run.id, after=self._seq, timeout_s=left_s)
            self._seq, summary = int(news["seq"]), dict(news["run"])
            ended = summary["state"] in TERMINAL
            if ended or (deadline_s is not None and time.monotonic() >= deadline_s):
                return summary
            self.show().refresh(summary)
            if png := self._pictures.next(news["watchers"]):
                self.show().picture(summary, png)

    def _second_press(self) -> tuple[bool, dict[str, Any]]:
        """(cancelled, summary at the end) when Stop is pressed again in time or the run ends meanwhile.

        Raises `Detached` otherwise.
        """
        try:
            print(
                f"{self.how_to_come_back()}\nPress Stop again within {SECOND_PRESS_S:.0f} s to cancel the run instead."
            )
            summary = self._wait(SECOND_PRESS_S)
        except KeyboardInterrupt:
            return True, self._cancel()
        if summary["state"] in TERMINAL:
            return False, summary
        raise Detached(self.how_to_come_back())

    def _cancel(self) -> dict[str, Any]:
        """Stop the run and wait for its end; one more press of Stop leaves it to the service."""
        try:
            summary = self.run.stop(reason="stopped from the notebook")
        except ConflictError:  # it ended just now
            return self.run.summary()
        print(f"cancelling {self.run.id}: its ranks were asked to end, and are killed after the grace")
        try:
            return summary if summary["state"] in TERMINAL else self._wait(None)
        except KeyboardInterrupt:
            raise Detached(f"{self.run.id} is being cancelled") from None

    def _finish(self, summary: dict[str, Any], missing: tuple[str, ...], *, cancelled: bool) -> None:
        try:
            details = self.run.details()
            self._bind(details["spec"]["pull"], complain=summary["state"] == State.SUCCEEDED)
            self._show_end(summary)  # after the values, which are there in milliseconds
            if summary["state"] == State.SUCCEEDED:
                return
            log_end = self.run.logs(root_rank(details), tail_bytes=LOG_END_BYTES)
            text = report(details, log_end, command="%aicci", missing=missing)
        except KeyboardInterrupt:
            raise Detached(f"{self.run.id} has ended; %aicci attach {self.run.id} shows it") from None
        if cancelled:
            raise Cancelled(headline(details))
        raise (RunFailed if summary["state"] == State.FAILED else RunStopped)(headline(details), text)

    def _show_end(self, summary: dict[str, Any]) -> None:
        """The final picture and summary; a picture that cannot be drawn does not make a run fail."""
        from jupyter_aicci.timeline.summary import summary_text

        text = summary_text(self.run.view())
        try:
            png = self.run.picture()
        except (ImportError, OSError, RuntimeError, ValueError) as error:
            text, png = f"{text}\n(no picture: {error})", None
        self.show().finish(summary, text, png)

    def _bind(self, names: list[str], *, complain: bool) -> None:
        """Put rank 0's values into the notebook; one that cannot be read is named and left out."""
        bound = []
        for name in names:
            try:
                self._shell.user_ns[name] = self.run.result(name)
            except AicciError as error:
                if complain:
                    print(f"not bound: {name}: {error}")
            except Exception as error:  # unpickling runs the value's own code
                print(f"not bound: {name}: {type(error).__name__}: {error}")
            else:
                bound.append(name)
        if bound:
            print("bound:", ", ".join(bound))
