"""The forecast of one request for every shape it may mean, refusals included.

In: option texts by field. Out: (shape, answer of POST /v1/forecast or None, why not). Nothing is submitted.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.options import BY_FIELD
from jupyter_aicci.model.spec import RunSpec, parse_spec

if TYPE_CHECKING:
    from jupyter_aicci.client.calls import Calls

Answer = tuple[str, dict[str, Any] | None, str]


def forecasts(client: Calls, texts: Mapping[str, Any]) -> list[Answer]:
    """One answer per shape that `--shape` names, per shape of this machine by default.

    Options of the caller (`--detach`, `-o`) mean nothing here and are skipped. Raises `UserError` for an unknown shape.
    """
    given = {key: text for key, text in texts.items() if text is not None and key in BY_FIELD}
    spec = parse_spec(
        {key: text for key, text in given.items() if BY_FIELD[key].face == "spec"} | {"python": sys.executable}
    )
    return for_shapes(client, spec, every_shape(client) if "auto" in spec.shape else spec.shape)


def every_shape(client: Calls) -> tuple[str, ...]:
    """The names of all shapes of this machine."""
    return tuple(str(shape["name"]) for shape in client.shapes())


def for_shapes(client: Calls, spec: RunSpec, names: Iterable[str]) -> list[Answer]:
    """One answer per shape, everything else as in the spec. Raises `UserError` for an unknown shape."""
    return [_forecast(client, spec.to_json() | {"shape": [name]}, name) for name in names]


def _forecast(client: Calls, wanted: dict[str, Any], name: str) -> Answer:
    try:
        return name, client.forecast(parse_spec(wanted)), ""
    except UserError as error:
        if error.code == "unknown_shape":
            raise
        return name, None, error.message
