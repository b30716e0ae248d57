"""One input for each row of the option table, by the row's kind.

In: an `Option`, and what the service offers for it. Out: a `Field`: something to type into, with a line below it for what is
wrong. Rule 1: no option is named here but those whose values come from the service (`offers.OFFERED`); a new row of the table
has its field by itself. Rule 2: what was typed stays as it was typed, also where it is wrong. Rule 3: a field says "" for the
default, so that a magic line holds what the person has decided and nothing else.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence

import ipywidgets as w

from jupyter_aicci.model.options import Kind, Option, default_text
from jupyter_aicci.render.tables import Table
from jupyter_aicci.widgets.offers import OFFERED, Offers

STYLE = {"description_width": "9em"}
WIDE = w.Layout(width="auto", max_width="44em")
DENSE = "line-height: 1.4; margin: 4px 0"  # ipywidgets make each line of text as high as a button
CELLS = """<style>
.jp-aicci-launch td, .jp-aicci-launch th { padding: 0 12px 2px 0; vertical-align: top; }
.jp-aicci-launch td:last-child { min-width: 16em; }
</style>"""
MOST_ROWS = 6


class Field:
    """An input with its label, and a line below it."""

    def __init__(self, option: Option, control: w.DOMWidget, read: Callable[[], str | tuple[str, ...]]) -> None:
        self.option, self.control, self.read = option, control, read
        self._note = w.HTML(layout=w.Layout(margin="0 0 0 9em"))
        self.box = w.VBox([control, self._note])
        self.complain("")

    def complain(self, text: str) -> None:
        """Say what is wrong with it, or "" where nothing is."""
        self._note.layout.display = None if text else "none"
        self._note.value = complaint(text)

    def offer(self, offers: Offers) -> None:
        """What the service has to choose from; what is chosen stays chosen."""
        raise NotImplementedError(f"{self.option.flag} is typed, not chosen")

    def on_change(self, changed: Callable[[], None]) -> None:
        self.control.observe(lambda _: changed(), "value")


class Several(Field):
    """Any number of what is offered; the default stands for none."""

    def __init__(self, option: Option) -> None:
        self._default = default_text(option)
        control = w.SelectMultiple(options=[self._default], value=(self._default,), rows=2, **_look(option))
        super().__init__(option, control, self._read)

    def offer(self, offers: Offers) -> None:
        chosen = self.control.value
        self.control.rows = min(max(len(offers), 2), MOST_ROWS)
        self.control.options = offers
        values = [value for _, value in offers]
        self.control.value = tuple(value for value in chosen if value in values)

    def _read(self) -> str:
        return "" if self._default in self.control.value else ",".join(self.control.value)


class OneOf(Field):
    """One of what is offered."""

    def __init__(self, option: Option) -> None:
        self._default = default_text(option)
        choices = option.choices or (self._default,)
        super().__init__(option, w.Dropdown(options=choices, value=self._default, **_look(option)), self._read)

    def offer(self, offers: Offers) -> None:
        chosen = self.control.value
        self.control.options = offers
        values = [value for _, value in offers]
        self.control.value = next((value for value in (chosen, self._default, *values) if value in values), None)

    def _read(self) -> str:
        chosen = self.control.value or ""
        return "" if chosen == self._default else chosen


class Lines(Field):
    """One value a line, and a list of known ones that adds a line."""

    def __init__(self, option: Option) -> None:
        control = w.Textarea(rows=2, placeholder=f"{option.metavar}, one a line", **_look(option))
        super().__init__(option, control, self._read)
        self._known = w.Dropdown(description="", layout=w.Layout(margin="0 0 0 9em", display="none", width="auto"))
        self._known.observe(self._add, "value")
        self.box.children = (control, self._known, self._note)

    def offer(self, offers: Offers) -> None:
        self._known.options = ((f"add {self.option.field} that runs have used…", ""), *offers)
        self._known.layout.display = None if offers else "none"

    def _add(self, change: dict[str, str]) -> None:
        if change["new"]:
            self.control.value = "\n".join([*self._read(), change["new"]])
            self._known.value = ""

    def _read(self) -> tuple[str, ...]:
        return tuple(line.strip() for line in self.control.value.splitlines() if line.strip())


class Tick(Field):
    """On or off."""

    def __init__(self, option: Option) -> None:
        control = w.Checkbox(**{**_look(option), "description": option.help})
        control.tooltip = option.flag
        super().__init__(option, control, lambda: "true" if control.value else "")


class Typed(Field):
    """A line of text, whatever it is to be read as."""

    def __init__(self, option: Option) -> None:
        control = w.Text(placeholder=default_text(option) or option.help, **_look(option))
        super().__init__(option, control, lambda: control.value.strip())


KINDS: dict[Kind, Callable[[Option], Field]] = {
    "text": Typed, "names": Typed, "int": Typed, "money": Typed, "duration": Typed,
    "choice": OneOf, "flag": Tick, "pairs": Lines,
}  # fmt: skip


def field_of(option: Option) -> Field:
    """The field of one row of the table."""
    offered = OFFERED.get(option.field)
    if offered is None or option.kind == "pairs":
        return (Lines if option.repeats else KINDS[option.kind])(option)
    return Several(option) if offered.many else OneOf(option)


def complaint(text: str) -> str:
    """Words and a sign, so that nobody has to see the colour."""
    colour = "color: var(--jp-error-color1, #b00020)"
    return f'<div style="{DENSE}; {colour}">✕ {html.escape(text)}</div>' if text else ""


def lines_html(lines: Sequence[str], sign: str) -> str:
    """Texts one below the other, each with a sign in front."""
    return "".join(f'<div style="{DENSE}">{sign} {html.escape(line)}</div>' for line in lines)


def folded(title: str, inside: w.DOMWidget) -> w.VBox:
    """Something that a button shows and hides; an `Accordion` of ipywidgets cannot be opened by keyboard."""
    button = w.ToggleButton(description=f"▸ {title}", layout=w.Layout(width="auto", max_width="44em"))
    inside.layout.display = "none"

    def fold(change: dict[str, bool]) -> None:
        inside.layout.display = None if change["new"] else "none"
        button.description = f"{'▾' if change['new'] else '▸'} {title}"

    button.observe(fold, "value")
    return w.VBox([button, inside])


def table_html(table: Table) -> str:
    """A table whose columns stand apart in every front end."""
    return f'{CELLS}<div style="{DENSE}">{table.to_html()}</div>'


def _look(option: Option) -> dict[str, object]:
    label = option.field.replace("_", " ")
    return {"description": label, "tooltip": f"{option.flag}: {option.help}", "style": STYLE, "layout": WIDE}
