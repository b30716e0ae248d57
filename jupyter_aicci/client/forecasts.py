"""The forecast of one request for every shape it may mean, refusals included.

In: option texts by field, or a spec. Out: (shape, its forecast or None, why not), as the service answers. Nothing is submitted.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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
    answers = on_every_shape(client, spec)
    return answers if "auto" in spec.shape else [answer for answer in answers if answer[0] in spec.shape]


def on_every_shape(client: Calls, spec: RunSpec) -> list[Answer]:
    """One answer per shape of this machine, those that are asked for first. Raises `UserError` for an unknown shape."""
    told = client.forecasts(spec)["answers"]
    return [(str(each["shape"]), each["forecast"], str(each["refused"])) for each in told]
