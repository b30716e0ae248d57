"""The line magics: lists, logs, attach, stop, cost, result.

Rule: each is a function of (shell, client, its words) that prints or displays; what it returns is the cell's value.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from jupyter_aicci.client import Client
from jupyter_aicci.client.forecasts import forecasts
from jupyter_aicci.magics.costs import cost
from jupyter_aicci.model.commands import Command, parse_words
from jupyter_aicci.model.errors import NotFoundError
from jupyter_aicci.render.forecasts import forecasts_table
from jupyter_aicci.render.lists import data_table, queues_table, runs_table, shapes_table
from jupyter_aicci.render.runs import describe_text, stop_line
from jupyter_aicci.render.tables import Table

LOG_BYTES = 65_536  # a notebook keeps what is printed: the end of a log is enough


def run_line(shell: Any, command: Command, words: list[str]) -> Any:
    """Carry out one line magic."""
    given = parse_words(command, "magic", words)
    return HANDLERS[command.name](shell, Client(), given)


def _show(table: Table) -> None:
    from IPython.core.display_functions import display

    display(table)  # type: ignore[no-untyped-call]


def _ps(shell: Any, client: Client, given: argparse.Namespace) -> None:
    _show(runs_table(client.runs(), now=datetime.now(UTC)))


def _shapes(shell: Any, client: Client, given: argparse.Namespace) -> None:
    _show(shapes_table(client.shapes()))


def _queues(shell: Any, client: Client, given: argparse.Namespace) -> None:
    _show(queues_table(client.queues()))


def _attach(shell: Any, client: Client, given: argparse.Namespace) -> None:
    from jupyter_aicci.magics.watch import Watch

    Watch(shell, client, client.run(given.RUN)).until_ended()


def _describe(shell: Any, client: Client, given: argparse.Namespace) -> None:
    from jupyter_aicci.timeline.summary import summary_text

    run = client.run(given.RUN)
    print(describe_text(run.details(), summary_text(run.view())))


def _stop(shell: Any, client: Client, given: argparse.Namespace) -> None:
    print(stop_line(client.stop(given.RUN, reason="stopped from the notebook")))


def _result(shell: Any, client: Client, given: argparse.Namespace) -> dict[str, Any]:
    run = client.run(given.RUN)
    if not run.results:
        raise NotFoundError(
            "no_result", f"run {run.id} has left no value ({run.state}).",
            hint="--pull NAME names what rank 0 leaves; it is there when rank 0 has ended.",
        )  # fmt: skip
    return {name: run.result(name) for name in run.results}


def _logs(shell: Any, client: Client, given: argparse.Namespace) -> None:
    run = client.run(given.RUN)
    if not given.follow:
        _print_log(run.logs(given.rank, tail_bytes=LOG_BYTES))
        return
    try:
        for text in run.follow(given.rank, tail_bytes=LOG_BYTES):
            _print_log(text)
    except KeyboardInterrupt:
        print(f"\nno longer following; {run.id} goes on")


def _print_log(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _forecast(shell: Any, client: Client, given: argparse.Namespace) -> None:
    _show(forecasts_table(forecasts(client, vars(given))))


def _compare(shell: Any, client: Client, given: argparse.Namespace) -> None:
    from jupyter_aicci.client.compare import compare, save_page
    from jupyter_aicci.render.compare import forecasts_table, reasons
    from jupyter_aicci.render.compare import runs_table as side_by_side
    from jupyter_aicci.speedup.sizes import parse_counts

    document = compare(client, given.RUN, parse_counts(given.nodes))
    _show(side_by_side(document))
    if why := reasons(document):
        print("\n".join(why))
    if document["forecasts"]:
        _show(forecasts_table(document))
    if document["points"]:
        _show_picture(document)
    if given.html:
        save_page(document, given.html)
        print(f"wrote {given.html}")


def _show_picture(document: dict[str, Any]) -> None:
    from IPython.core.display_functions import display

    from jupyter_aicci.client.compare import points_of
    from jupyter_aicci.speedup.picture import picture
    from jupyter_aicci.speedup.words import frontier_text

    points = points_of(document)
    data = {"image/png": picture(points), "text/plain": frontier_text(points)}
    display(data, raw=True)  # type: ignore[no-untyped-call]


def _data(shell: Any, client: Client, given: argparse.Namespace) -> None:
    _show(data_table(client.data()))


HANDLERS: dict[str, Callable[[Any, Client, argparse.Namespace], Any]] = {
    "ps": _ps,
    "shapes": _shapes,
    "queues": _queues,
    "cost": cost,
    "attach": _attach,
    "describe": _describe,
    "stop": _stop,
    "result": _result,
    "logs": _logs,
    "forecast": _forecast,
    "compare": _compare,
    "data": _data,
}
