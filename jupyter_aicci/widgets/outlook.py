"""What would happen to what stands in a form: what is wrong with it, when, where and at which price it would start.

In: option texts, a file and its words. Out: an `Outlook`. Nothing is submitted, and nothing is shown here.
"""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from jupyter_aicci.client import Client, Program
from jupyter_aicci.client.fingerprint import fingerprint
from jupyter_aicci.client.forecasts import Answer, on_every_shape
from jupyter_aicci.client.scripts import prepared
from jupyter_aicci.datasets.mounts import check_mounts
from jupyter_aicci.model.errors import AicciError, UserError
from jupyter_aicci.model.options import BY_FIELD, Given
from jupyter_aicci.model.spec import RunSpec, defects_by_field, parse_spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What stands in a form."""

    given: Given  # by field, defaults left out
    file: str = ""
    words: str = ""  # that the file's program gets

    @property
    def options(self) -> Given:
        """Those that are part of the run."""
        return {name: typed for name, typed in self.given.items() if BY_FIELD[name].face == "spec"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """`asked` is None where it cannot run, and `trouble` says why; `shapes` has every shape, refusals included."""

    wrong: dict[str, str] = field(default_factory=dict)  # by field
    trouble: str = ""
    asked: Answer | None = None
    shapes: tuple[Answer, ...] = ()


def outlook(client: Client, typed: Typed) -> Outlook:
    """Ask the service; every refusal is part of the answer."""
    wrong = defects_by_field(typed.options)
    if wrong:
        return Outlook(wrong=wrong)
    try:
        spec = spec_of(typed)
        shapes = tuple(on_every_shape(client, spec))
    except AicciError as error:
        return refused(error)
    try:
        chosen = client.forecast(spec)["shape"]  # of several that are asked for the best one
    except AicciError as error:
        return replace(refused(error), shapes=shapes)
    return Outlook(asked=next(answer for answer in shapes if answer[0] == chosen), shapes=shapes)


def spec_of(typed: Typed) -> RunSpec:
    """The spec that the form stands for: of its file where there is one. Raises `UserError`."""
    if typed.file:
        spec, program = program_of(typed)
        return replace(spec, fingerprint=fingerprint(spec, program))
    wanted = parse_spec(dict(typed.options))
    mounts = check_mounts(wanted.data, base=Path.cwd())
    data = tuple(f"{mount.name}={mount.path}:{mount.mode}" for mount in mounts)
    return replace(wanted, data=data, python=sys.executable)


def program_of(typed: Typed) -> tuple[RunSpec, Program]:
    """The file, ready to be submitted. Raises `UserError`."""
    try:
        words = tuple(shlex.split(typed.words))
    except ValueError as error:
        raise UserError(
            "bad_arguments", f"{typed.words}: {error}.", hint="Quotes come in pairs.", field="args"
        ) from None
    return prepared(typed.file, words, parse_spec(dict(typed.options)), Path.cwd())


def refused(error: AicciError) -> Outlook:
    """The words of a refusal, at the field that it is about."""
    name = error.field.removeprefix("--").replace("-", "_").lower()
    text = str(error).replace(" Nothing was submitted.", "")
    known = name in BY_FIELD or name in ("file", "args")
    return Outlook(wrong={name: text}) if known else Outlook(trouble=text)
