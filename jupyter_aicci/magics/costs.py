"""`%aicci cost`: a bill, a list, a report with its chart, or a FOCUS file.

Rule: tables are rich in a notebook and plain elsewhere; the chart's HTML has its picture in it.
"""

from __future__ import annotations

import argparse
import html
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jupyter_aicci.client import Client
from jupyter_aicci.client.focus import save_focus
from jupyter_aicci.render.cost_chart import chart_html
from jupyter_aicci.render.costs import bill_lines, bill_text, phases_table, report_table
from jupyter_aicci.render.lists import costs_table, ledger_table


def cost(shell: Any, client: Client, given: argparse.Namespace) -> None:
    if given.focus:
        done = save_focus(client, Path(given.focus))
        print(f"wrote {done['rows']} rows to {done['file']}")
    elif given.RUN:
        bill = client.cost(given.RUN)
        lines = "".join(f"<p>{html.escape(line)}</p>" for line in bill_lines(bill))
        _show(bill_text(bill), ledger_table(bill).to_html() + phases_table(bill).to_html() + lines)
    elif given.by:
        report = client.costs(given.by)
        table = report_table(report)
        _show(table.to_text(), table.to_html() + chart_html(report, chart_id=f"aicci-cost-{os.urandom(4).hex()}"))
    else:
        table = costs_table(client.runs(), now=datetime.now(UTC))
        _show(table.to_text(), table.to_html())


def _show(text: str, rich: str) -> None:
    from IPython.core.display_functions import display

    display({"text/plain": text, "text/html": rich}, raw=True)  # type: ignore[no-untyped-call]
