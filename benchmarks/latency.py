"""From a rank's line, its logged value and the agent's sample to the browser's pixel, while 8 ranks print 10,000 lines a second.

A real JupyterLab shows the card of a saved notebook in Chromium. A line counts as shown when it, or a later one, is in the
card's log and the frame is drawn; a value or a sample when the chart has it, or a later one, and two frames have passed.
Rank, agent and browser read the same clock; the agent samples once a second.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from common import own_house, report, spread, until

WARM_UP_S, MEASURE_S = 8.0, 30.0
RANKS, LINES_PER_S, MARKS_PER_S = 8, 10_000, 20

PROGRAM = f"""\
import os, sys, time

per_tick, next_s = {LINES_PER_S} // {MARKS_PER_S}, time.time()
while True:
    now_s = time.time()
    if aicci.rank == 0:
        aicci.log(sent=now_s % 10)
    sys.stdout.write(f"mark {{now_s:.4f}} {{'x' * 40}}\\n" * per_tick)
    sys.stdout.flush()
    next_s += 1 / {MARKS_PER_S}
    time.sleep(max(0.0, next_s - time.time()))
"""

# Keeps [time shown, what was shown] of every newest mark in the log, value of lane `sent` and time of a sample of lane `cpu`:
# a point counts when two frames of the screen have passed since BokehJS has it.
WATCH = """
window.shownLines = []; window.shownValues = []; window.shownSamples = [];
const newest = {'lane:value:sent': [window.shownValues, 'v'], 'lane:cpu': [window.shownSamples, 't']};
const look = () => {
  requestAnimationFrame(look);
  for (const doc of window.Bokeh?.documents ?? []) {
    for (const model of doc.all_models) {
      const [shown, column] = newest[model.name] ?? [];
      const data = shown && (model.data instanceof Map ? model.data.get(column) : model.data[column]);
      const value = data?.[data.length - 1];
      if (value === undefined || shown[shown.length - 1]?.[1] === value) continue;
      const row = [Infinity, value];
      shown.push(row);
      requestAnimationFrame(() => requestAnimationFrame(() => { row[0] = Date.now() / 1000; }));
    }
  }
};
requestAnimationFrame(look);
new MutationObserver(() => {
  const log = document.querySelector('.jp-aicci-log-text');
  const marks = log && log.textContent.match(/mark \\d+\\.\\d+/g);
  if (!marks) return;
  const sent = Number(marks[marks.length - 1].slice(5));
  const last = window.shownLines[window.shownLines.length - 1];
  if (!last || last[1] < sent) {
    const row = [Infinity, sent];
    window.shownLines.push(row);
    requestAnimationFrame(() => { row[0] = Date.now() / 1000; });
  }
}).observe(document, {subtree: true, childList: true, characterData: true});
"""


def notebook_of(run: Any) -> str:
    """A saved notebook whose one cell shows the run."""
    shown = {
        "application/vnd.aicci.run+json": {"id": run.id, "summary": run.summary(), "version": 1},
        "text/plain": "run",
    }
    output = {"output_type": "display_data", "data": shown, "metadata": {}}
    cell = {"cell_type": "code", "id": "run", "source": "", "metadata": {}, "execution_count": 1, "outputs": [output]}
    kernel = {"kernelspec": {"name": "aicci", "display_name": "Python (aicci)", "language": "python"}}
    return json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


@contextmanager
def jupyter_lab(folder: Path) -> Iterator[str]:
    """The address of a JupyterLab of its own, token included."""
    port, token = 18888, "benchmark"
    options = ["--no-browser", f"--port={port}", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"]
    if os.getuid() == 0:
        options.append("--allow-root")
    command = [sys.executable, "-m", "jupyterlab", *options]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers() -> bool:
        with suppress(OSError):
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token={token}").status == 200
        return False

    try:
        until("JupyterLab's first answer", answers)
        yield f"http://127.0.0.1:{port}/lab/tree/run.ipynb?token={token}"
    finally:
        server.terminate()
        server.wait(30)


def watch(address: str) -> tuple[list[list[list[float]]], tuple[float, float]]:
    """([lines, values, samples] as they were shown, when measuring began and ended) as the browser saw them."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.add_init_script(WATCH)
        page.goto(address)
        page.locator(".jp-aicci-log summary").first.click(timeout=60_000)
        page.wait_for_function(
            "[shownLines, shownValues, shownSamples].every((each) => each.length > 3)", timeout=60_000
        )
        time.sleep(WARM_UP_S)
        began_s = time.time()
        time.sleep(MEASURE_S)
        ended_s = time.time()
        page.wait_for_timeout(2000)
        shown = page.evaluate("[shownLines, shownValues, shownSamples]")
        browser.close()
    return shown, (began_s, ended_s)


def waits_s(sent_s: list[float], shown: list[tuple[float, float]]) -> list[float]:
    """For each time of sending, how long until something sent then or later was shown."""
    ordered, i, found = sorted(shown), 0, []
    for sent in sent_s:
        while i < len(ordered) and ordered[i][1] < sent - 0.0006:
            i += 1
        if i < len(ordered):
            found.append(ordered[i][0] - sent)
    return found


def unwrapped(values: list[list[float]]) -> list[tuple[float, float]]:
    """(shown, sent) of the drawn values: the value is the time of sending modulo ten seconds, in thousandths."""
    return [(at, at - (at - value) % 10) for at, value in values if (at - value) % 10 < 5]


def main() -> None:
    with own_house() as root:
        from jupyter_aicci.client import Client, Program
        from jupyter_aicci.model.spec import parse_spec

        (root / "home").mkdir()
        (root / "home" / "config.toml").write_text(f"[local]\ncpus = {RANKS}\n")
        (root / "lab").mkdir()
        client = Client()
        run = client.submit(
            parse_spec({"ranks_per_node": RANKS, "framework": "plain", "grace": 0.5}), Program(text=PROGRAM)
        )
        (root / "lab" / "run.ipynb").write_text(notebook_of(run))
        with jupyter_lab(root / "lab") as address:
            (lines, values, samples), (began_s, ended_s) = watch(address)
        origin_s = client.view(run.id)["origin_ns"] / 1e9
        log = client.home.node_dir(run.id, 1, 0) / "rank-0.log"
        printed = sorted({float(mark) for mark in re.findall(r"mark (\d+\.\d+) ", log.read_text())})
        run.stop()
        run.wait(60)
    sent_s = [at for at in printed if began_s <= at <= ended_s]
    line_s = waits_s(sent_s, [(at, sent) for at, sent in lines])
    value_s = waits_s(sent_s, unwrapped(values))
    sample_s = [at - origin_s - t for at, t in samples if began_s <= origin_s + t <= ended_s]
    figures = {
        "ranks": RANKS,
        "lines_per_s_and_rank": LINES_PER_S,
        "marks": len(sent_s),
        "marks_printed_per_s": round(len(sent_s) / (ended_s - began_s), 1),
        **spread("line_to_pixel", line_s),
        **spread("value_to_pixel", value_s),
        "samples": len(sample_s),
        **spread("sample_to_pixel", sample_s),
    }
    report("latency", figures)


if __name__ == "__main__":
    main()
