"""What each command does: ask the client, print the answer, say the exit status.

Rule: the keys of `--json` are those of docs/explanation/processes-and-files.md; nothing is computed beside them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from jupyter_aicci.cli import DONE
from jupyter_aicci.cli.costs import cost, prices
from jupyter_aicci.cli.output import answer, say, write
from jupyter_aicci.cli.replay import replay
from jupyter_aicci.cli.run import run
from jupyter_aicci.cli.service import service
from jupyter_aicci.cli.timeline import timeline
from jupyter_aicci.client import Client
from jupyter_aicci.client.forecasts import forecasts
from jupyter_aicci.render.forecasts import forecasts_table
from jupyter_aicci.render.lists import queues_table, runs_table, shapes_table
from jupyter_aicci.render.runs import describe_text, stop_line

PIECE_BYTES = 262_144
WHOLE_BYTES = 1 << 50  # more than any log: follow from its beginning


def _ps(given: argparse.Namespace) -> int:
    runs = Client().runs()
    answer(runs, runs_table(runs, now=datetime.now(UTC)).to_text(), as_json=given.json)
    return DONE


def _shapes(given: argparse.Namespace) -> int:
    shapes = Client().shapes()
    answer(shapes, shapes_table(shapes).to_text(), as_json=given.json)
    return DONE


def _queues(given: argparse.Namespace) -> int:
    queues = Client().queues()
    answer(queues, queues_table(queues).to_text(), as_json=given.json)
    return DONE


def _describe(given: argparse.Namespace) -> int:
    run = Client().run(given.RUN)
    details = run.details()
    if given.json:
        answer(details, "", as_json=True)
        return DONE
    from jupyter_aicci.timeline.summary import summary_text

    answer(details, describe_text(details, summary_text(run.view())), as_json=False)
    return DONE


def _stop(given: argparse.Namespace) -> int:
    summary = Client().stop(given.RUN, reason="stopped from the terminal")
    answer(summary, stop_line(summary), as_json=given.json)
    return DONE


def _attach(given: argparse.Namespace) -> int:
    from jupyter_aicci.cli.follow import follow

    return follow(Client().run(given.RUN), as_json=given.json)


def _logs(given: argparse.Namespace) -> int:
    client = Client()
    run = client.run(given.RUN)
    pieces = run.follow(given.rank, tail_bytes=WHOLE_BYTES) if given.follow else _log_so_far(client, run.id, given.rank)
    if given.json:
        answer({"id": run.id, "rank": given.rank, "text": "".join(pieces)}, "", as_json=True)
        return DONE
    for text in pieces:
        write(text)
    return DONE


def _log_so_far(client: Client, run_id: str, rank: int) -> Iterator[str]:
    """All that a rank of the latest attempt has printed, piece by piece."""
    offset = 0
    while True:
        piece = client.logs(run_id, rank=rank, offset=offset, limit=PIECE_BYTES)
        if not piece["text"] or piece["offset"] <= offset:
            return
        yield piece["text"]
        offset = piece["offset"]


def _forecast(given: argparse.Namespace) -> int:
    answers = forecasts(Client(), vars(given))
    document = [{"shape": shape, "forecast": forecast, "refused": why or None} for shape, forecast, why in answers]
    answer(document, forecasts_table(answers).to_text(), as_json=given.json)
    return DONE


def _compare(given: argparse.Namespace) -> int:
    from jupyter_aicci.client.compare import compare, save_page
    from jupyter_aicci.render.compare import compare_text
    from jupyter_aicci.speedup.sizes import parse_counts

    document = compare(Client(), given.RUN, parse_counts(given.nodes))
    if given.html:
        save_page(document, given.html)
        say(f"wrote {given.html}")
    answer(document, compare_text(document), as_json=given.json)
    return DONE


HANDLERS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": run,
    "ps": _ps,
    "shapes": _shapes,
    "queues": _queues,
    "cost": cost,
    "prices": prices,
    "describe": _describe,
    "stop": _stop,
    "attach": _attach,
    "logs": _logs,
    "forecast": _forecast,
    "compare": _compare,
    "replay": replay,
    "timeline": timeline,
    "service": service,
}
