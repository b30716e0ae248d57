"""The launch form that `%aicci` shows: the option table as fields, what would happen while one types, a cell or a launch.

In: a shell and a client. Out: widgets. Rule 1: every row of the option table has its field, in the section that the row names.
Rule 2: typing waits for nothing: the service is asked in a thread, once nothing has changed for a moment.
Rule 3: the run's id is drawn once per intent, so that a double click is one run; a change of the form is another intent.
Rule 4: nothing that was typed is taken away, whatever is refused; what is wrong is said at its field.
Rule 5: where no widget can be shown the form is text: the commands, as `%aicci help` prints them.
"""

from __future__ import annotations

import html
import secrets
from pathlib import Path
from typing import Any

import ipywidgets as w

from jupyter_aicci.client import Client, Run
from jupyter_aicci.client.scripts import refuse_notebook_options
from jupyter_aicci.model.errors import AicciError
from jupyter_aicci.model.ids import RunId, new_run_id
from jupyter_aicci.model.options import OPTIONS, Section, magic_line
from jupyter_aicci.render.forecasts import forecasts_table, outlook_lines
from jupyter_aicci.widgets.fields import STYLE, WIDE, complaint, field_of, folded, lines_html, table_html
from jupyter_aicci.widgets.inserting import insert_cell
from jupyter_aicci.widgets.offers import OFFERED
from jupyter_aicci.widgets.outlook import Outlook, Typed, outlook, program_of, refused
from jupyter_aicci.widgets.waiting import Later

QUIET_S = 0.25  # without a change, until the service is asked
BUSY_S = 0.5  # a cell that runs longer keeps the form waiting noticeably
AGAIN_S = 2.0  # what is pressed within this is the same press
MOST_FILES = 200
BUSY = "The kernel is busy with a cell: the form answers when it is done. What you type is kept."
COPY = "Copy the line above into a new cell, and write the program below it."


class LaunchForm(w.VBox):  # type: ignore[misc]
    """The form; displayed like any widget."""

    def __init__(self, shell: Any, client: Client, text: str) -> None:
        self._client, self._text = client, text
        self._fields = {option.field: field_of(option) for option in OPTIONS}
        self._file = _line("script", "train.py, to launch a file", w.Combobox, options=_files())
        self._words = _line("arguments", "words that the script gets", w.Text)
        self._beside = {"file": w.HTML(), "args": w.HTML()}  # what is wrong with these two
        self._magic, self._told, self._table, self._said = w.HTML(), w.HTML(), w.HTML(), w.HTML()
        self._insert = w.Button(
            description="Insert cell", button_style="primary", tooltip="a cell that begins with the line"
        )
        self._launch = w.Button(description="Launch script", tooltip="run the file now, on every rank")
        self._shown = w.Output()
        self._intent: RunId | None = None
        super().__init__([self._layout()])
        self.add_class("jp-aicci-launch")
        self._asking, self._again = Later(self._ask, QUIET_S), Later(self._allow_again, AGAIN_S)
        self._busy, self._copy = Later(lambda: self._say(BUSY), BUSY_S), Later(lambda: self._say(COPY), BUSY_S)
        self._listen(shell)
        self._changed()
        Later(self._offer, 0.0).poke()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return {**super()._repr_mimebundle_(**kwargs), "text/plain": self._text}

    # ------------------------------------------------------------------------------------------------ what it looks like

    def _layout(self) -> w.VBox:
        """What is asked on the left, what would happen on the right; every shape and the run under both."""
        more = [folded("More options", self._section("more")), folded("How the cell waits", self._section("client"))]
        script = [self._file, self._beside["file"], self._words, self._beside["args"]]
        buttons = w.HBox([self._launch, self._insert])
        asked = w.VBox([self._section("main"), *script, *more], layout=w.Layout(flex="1 1 26em"))
        foretold = [self._told, self._magic, buttons, self._said]
        beside = w.VBox(foretold, layout=w.Layout(flex="1 1 26em", padding="0 0 0 1em"))
        return w.VBox([w.HBox([asked, beside], layout=w.Layout(flex_flow="row wrap")), self._table, self._shown])

    def _section(self, section: Section) -> w.VBox:
        return w.VBox([self._fields[option.field].box for option in OPTIONS if option.section == section])

    def _listen(self, shell: Any) -> None:
        for field in self._fields.values():
            field.on_change(self._changed)
        for control in (self._file, self._words):
            control.observe(lambda _: self._changed(), "value")
        self._insert.on_click(lambda _: self._insert_cell())
        self._launch.on_click(lambda _: self._launch_file())
        shell.events.register("pre_run_cell", lambda _: self._busy.poke())
        shell.events.register("post_run_cell", lambda _: self._free())

    # ------------------------------------------------------------------------------------------------------- while one types

    @property
    def typed(self) -> Typed:
        """What stands in the form."""
        given = {name: typed for name, field in self._fields.items() if (typed := field.read())}
        return Typed(given=given, file=self._file.value.strip(), words=self._words.value)

    @property
    def magic(self) -> str:
        """The line that a cell would begin with."""
        return magic_line(self.typed.given)

    def _changed(self) -> None:
        self._intent = None
        self._launch.disabled = not self.typed.file
        self._magic.value = f'<code class="jp-aicci-magic">{html.escape(self.magic)}</code>'
        self._asking.poke()

    def _ask(self) -> None:
        typed = self.typed
        found = outlook(self._client, typed)
        if typed == self.typed:  # else another question follows
            self._show(found)

    def _show(self, found: Outlook) -> None:
        self._complain(found)
        lines = outlook_lines(found.asked[1]) if found.asked and found.asked[1] else []
        self._told.value = lines_html(lines, "●") + complaint(found.trouble)
        if found.shapes:
            self._table.value = table_html(forecasts_table(found.shapes))

    def _complain(self, found: Outlook) -> None:
        for name, field in self._fields.items():
            field.complain(found.wrong.get(name, ""))
        for name, note in self._beside.items():
            note.value = complaint(found.wrong.get(name, ""))

    def _offer(self) -> None:
        """Fill in what the service has to choose from."""
        for name, offer in OFFERED.items():
            try:
                self._fields[name].offer(offer.ask(self._client))
            except AicciError as error:
                self._show(refused(error))

    def _free(self) -> None:
        self._busy.cancel()
        if BUSY in self._said.value:
            self._say("")

    def _say(self, text: str) -> None:
        self._said.value = html.escape(text)

    # ------------------------------------------------------------------------------------------------------- at the end

    def _insert_cell(self) -> None:
        self._copy.poke()
        insert_cell(self.magic, self._inserted)

    def _inserted(self) -> None:
        self._copy.cancel()
        self._say("The cell is below: write the program under its first line.")

    def _launch_file(self) -> None:
        self._intent = self._intent or new_run_id(secrets.randbelow)
        self._launch.disabled = True
        try:
            refuse_notebook_options(self.typed.options)
            spec, program = program_of(self.typed)
            run = self._client.submit(spec, program, run_id=self._intent)
        except AicciError as error:
            self._show(refused(error))
            self._launch.disabled = False
            return
        self._launched(run)

    def _launched(self, run: Run) -> None:
        self._say(f"launched {run.id}; %aicci attach {run.id} shows it anywhere")
        self._shown.outputs = ()
        self._shown.append_display_data(run)
        self._again.poke()

    def _allow_again(self) -> None:
        self._intent = None
        self._launch.disabled = not self.typed.file


def _line(label: str, placeholder: str, kind: type[w.DOMWidget], **more: Any) -> w.DOMWidget:
    return kind(description=label, placeholder=placeholder, style=STYLE, layout=WIDE, **more)


def _files() -> tuple[str, ...]:
    """Python files of the folder, to choose from; any other path can be typed."""
    return tuple(sorted(path.name for path in Path.cwd().glob("*.py"))[:MOST_FILES])
