"""`aicci cost` and `aicci prices`.

Rule: the keys of `--json` are those of docs/explanation/processes-and-files.md; nothing is computed beside them.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jupyter_aicci.cli import DONE
from jupyter_aicci.cli.output import answer
from jupyter_aicci.client import Client
from jupyter_aicci.client.focus import save_focus
from jupyter_aicci.model.errors import UserError
from jupyter_aicci.render.costs import bill_text, offers_table, report_table
from jupyter_aicci.render.lists import costs_table, totals
from jupyter_aicci.store.prices import catalogue, import_prices


def cost(given: argparse.Namespace) -> int:
    client = Client()
    if given.focus:
        document = save_focus(client, Path(given.focus))
        answer(document, f"wrote {document['rows']} rows to {document['file']}", as_json=given.json)
        return DONE
    if given.RUN:
        bill = client.cost(given.RUN)
        answer(bill, bill_text(bill), as_json=given.json)
    elif given.by:
        report = client.costs(given.by)
        answer(report, report_table(report).to_text(), as_json=given.json)
    else:
        runs = client.runs()
        document = {
            "runs": runs,
            "totals": [{"currency": currency, "total_micro": micro} for currency, micro in totals(runs).items()],
        }
        answer(document, costs_table(runs, now=datetime.now(UTC)).to_text(), as_json=given.json)
    return DONE


def prices(given: argparse.Namespace) -> int:
    home = Client().home
    if given.ACTION == "list":
        offers = [
            offer
            for offer in catalogue(home)
            if (given.FILE or "").lower() in f"{offer.id} {offer.accelerator}".lower()
        ]
        answer([offer.to_json() for offer in offers], offers_table(offers).to_text(), as_json=given.json)
        return DONE
    if not given.FILE:
        raise UserError(
            "no_file", "aicci prices import: the file is missing.", hint="aicci prices import vms.csv --provider aws"
        )
    file = Path(given.FILE)
    done = import_prices(
        home, file, provider=given.provider or file.stem.lower(), dated=datetime.now(UTC).date().isoformat()
    )
    document: dict[str, Any] = {
        "provider": done.provider, "file": str(done.path), "offers": len(done.offers), "without_price": done.without_price,
    }  # fmt: skip
    text = (
        f"{len(done.offers)} offers of {done.provider}, {done.without_price} of them without a price. "
        f'Name one in [prices] of {home.config}, such as h100x8 = "{done.offers[0].id}"; '
        "a service that runs takes it up when it is started again."
    )
    answer(document, text, as_json=given.json)
    return DONE
