"""The page in JupyterLab: what it adds to the start, opening the panel, 1,000 runs, floods of messages, hours of a run.

A real JupyterLab with a journal of 1,000 ended runs and one live one, in Chromium. Peers in the same run: JupyterLab with this
extension disabled (start), its own panel "Running Terminals and Kernels" (opening), its file browser over 1,000 files (scrolling).
Floods and hours are played into the page's own WebSocket: 50 messages a second of the site; a run of four hours of four messages a
second, as fast as the page takes them. Heap is what is left after Chromium's collection.
The labextension that is measured is the installed one; `./tools/dev setup` builds it as a wheel has it.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from common import own_house, percentile, report, until

STARTS, OPENINGS, RUNS, CARDS = 10, 20, 1000, 20
FLOOD_S, FLOOD_PER_S = 5, 50
HOURS, PER_S = 4, 4
OURS, PEER = "jp-aicci-training", "jp-running-sessions"
WIDTH, HEIGHT = 1440, 900

# seconds from navigation until the application stands
RESTORED = "() => window.jupyterapp?.restored.then(() => performance.now() / 1000)"
# seconds from activating a side panel until `selector` is there and two frames have passed
OPEN = """async ([id, selector]) => {
  const frame = () => new Promise(requestAnimationFrame)
  jupyterapp.shell.collapseLeft()
  await frame()
  const began = performance.now()
  jupyterapp.shell.activateById(id)
  while (!document.querySelector(selector)?.offsetParent) await frame()
  await frame(); await frame()
  return (performance.now() - began) / 1000
}"""
# milliseconds between the frames while a list is scrolled for three seconds
SCROLL = """async (selector) => {
  const list = document.querySelector(selector), gaps = []
  let last = await new Promise(requestAnimationFrame), y = 0
  const began = last
  while (last - began < 3000) {
    list.scrollTop = y = (y + 40) % (list.scrollHeight - list.clientHeight)
    const now = await new Promise(requestAnimationFrame)
    gaps.push(now - last)
    last = now
  }
  return gaps
}"""
# frames in which something under the panel changed
COUNT = """() => {
  window.repaints = 0
  let due = false
  new MutationObserver(() => {
    if (!due) { due = true; requestAnimationFrame(() => { due = false; window.repaints += 1 }) }
  }).observe(document.querySelector('.jp-aicci-panel'), {subtree: true, childList: true, characterData: true, attributes: true})
}"""
LONG_TASKS = """window.longTasks = []
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.longTasks.push([entry.startTime / 1000, entry.duration])
}).observe({type: 'longtask', buffered: true})"""

PROGRAM = """\
import time
step = 0
while True:
    time.sleep(0.05)
    aicci.log(step=step, loss=2.5 / (1 + step / 20))
    aicci.step()
    step += 1
"""


def many_runs(count: int) -> None:
    """A journal of runs that were stopped before they began."""
    from jupyter_aicci.model.events import Stepped, StopRequested, Submitted
    from jupyter_aicci.model.ids import RunId
    from jupyter_aicci.model.spec import parse_spec
    from jupyter_aicci.model.states import ExitClass, Step
    from jupyter_aicci.store.journal import Journal
    from jupyter_aicci.store.paths import Home, prepare

    home = Home.from_environment(os.environ)
    prepare(home)
    journal, begin_ns = Journal(home.journal), time.time_ns() - count * 10**9
    for at in range(count):
        run_id, now_ns = RunId(f"ra{at:06d}"), begin_ns + at * 10**9
        common: dict[str, Any] = {"run_id": run_id, "time_ns": now_ns}
        spec = parse_spec({"name": f"run-{at}", "framework": "plain", "python": sys.executable})
        stopped = str(ExitClass.STOPPED)
        journal.append(
            (
                Submitted(**common, spec=spec.to_json(), prices={}),
                Stepped(**common, step=Step.ENQUEUE, attempt=0, reason="waits for its nodes"),
                StopRequested(**common, reason="stopped by its owner", exit_class=stopped, grace_s=0.0),
                Stepped(**common, step=Step.STOP, attempt=0, reason="stopped by its owner", exit_class=stopped),
            )
        )
    journal.close()


def notebook_of(run_id: str, cards: int) -> str:
    """A saved notebook each of whose cells shows the run."""
    shown = {"application/vnd.aicci.run+json": {"id": run_id, "summary": {}, "version": 1}, "text/plain": "run"}
    output = {"output_type": "display_data", "data": shown, "metadata": {}}
    cells = [
        {"cell_type": "code", "id": f"run{at}", "source": "", "metadata": {}, "execution_count": 1, "outputs": [output]}
        for at in range(cards)
    ]
    kernel = {"kernelspec": {"name": "aicci", "display_name": "Python (aicci)", "language": "python"}}
    return json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


@contextmanager
def jupyter_lab(root: Path, port: int, *, disabled: bool = False) -> Iterator[str]:
    """The address of a JupyterLab of its own, up to the page's path."""
    config = root / f"config-{port}"
    (config / "labconfig").mkdir(parents=True)
    if disabled:
        (config / "labconfig" / "page_config.json").write_text('{"disabledExtensions": {"jupyter-aicci": true}}')
    options = [
        "--no-browser",
        f"--port={port}",
        "--IdentityProvider.token=benchmark",
        f"--ServerApp.root_dir={root / 'lab'}",
    ]
    options += ["--LabApp.expose_app_in_browser=True", *(["--allow-root"] if os.getuid() == 0 else [])]
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options],
        env=os.environ | {"JUPYTER_CONFIG_DIR": str(config), "JUPYTERLAB_SETTINGS_DIR": str(config / "settings")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        with suppress(OSError):
            return urllib.request.urlopen(f"{address}/api?token=benchmark").status == 200
        return False

    try:
        until("JupyterLab's first answer", answers)
        yield address
    finally:
        server.terminate()
        server.wait(30)


def a_page(browser: Any, address: str, path: str = "lab?reset") -> Any:
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    page.set_default_timeout(120_000)
    page.add_init_script(LONG_TASKS)
    page.goto(f"{address}/{path}{'&' if '?' in path else '?'}token=benchmark")
    return page


def starts(browser: Any, ours: str, without: str) -> dict[str, Any]:
    """Both, in turn; and what of the main thread was our scripts' in one profiled start."""
    found: dict[str, list[float]] = {ours: [], without: []}
    asked: list[str] = []
    for _ in range(STARTS):
        for address, seconds in found.items():
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            early: list[str] = []
            page.on("request", lambda request, early=early: early.append(request.url))
            page.goto(f"{address}/lab?reset&token=benchmark")
            page.wait_for_function("window.jupyterapp", timeout=120_000)
            seconds.append(page.evaluate(RESTORED))
            asked += [url for url in early if "/aicci/" in url and "awake" not in url]
            page.close()
    medians = {address: statistics.median(values[1:]) for address, values in found.items()}
    return {
        "start_with_s": round(medians[ours], 3),
        "start_without_s": round(medians[without], 3),
        "start_added_s": round(medians[ours] - medians[without], 3),
        "start_scripts_s": round(scripts_s(browser, ours), 4),
        "start_requests": len(asked),
    }


def scripts_s(browser: Any, address: str) -> float:
    """Seconds of one start in which a function of ours was on the stack."""
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    devtools = page.context.new_cdp_session(page)
    devtools.send("Profiler.enable")
    devtools.send("Profiler.setSamplingInterval", {"interval": 200})
    devtools.send("Profiler.start")
    page.goto(f"{address}/lab?reset&token=benchmark")
    page.wait_for_function("window.jupyterapp", timeout=120_000)
    page.evaluate(RESTORED)
    profile = devtools.send("Profiler.stop")["profile"]
    page.close()
    nodes = {node["id"]: node for node in profile["nodes"]}
    parents = {child: node["id"] for node in profile["nodes"] for child in node.get("children", ())}

    def is_ours(node: int | None) -> bool:
        while node is not None:
            if "/extensions/jupyter-aicci/" in nodes[node]["callFrame"]["url"]:
                return True
            node = parents.get(node)
        return False

    known = {node: is_ours(node) for node in nodes}
    pairs = zip(profile["samples"], profile["timeDeltas"], strict=True)
    return float(sum(delta for node, delta in pairs if known[node]) / 1e6)


def openings(browser: Any, address: str) -> dict[str, Any]:
    page = a_page(browser, address)
    page.wait_for_function("window.jupyterapp")
    page.evaluate(RESTORED)
    first_s = page.evaluate(OPEN, [OURS, ".jp-aicci-run-row"])
    both = {
        name: [page.evaluate(OPEN, [panel, selector]) for _ in range(OPENINGS)]
        for name, panel, selector in (("panel", OURS, ".jp-aicci-run-row"), ("peer", PEER, f"#{PEER}"))
    }
    page.close()
    return {
        "panel_first_s": round(first_s, 3),
        "panel_p50_s": round(percentile(both["panel"], 0.5), 3),
        "panel_p95_s": round(percentile(both["panel"], 0.95), 3),
        "peer_panel_p50_s": round(percentile(both["peer"], 0.5), 3),
        "peer_panel_p95_s": round(percentile(both["peer"], 0.95), 3),
    }


def scrolling(browser: Any, address: str) -> dict[str, Any]:
    page = a_page(browser, address)
    page.wait_for_function("window.jupyterapp")
    page.evaluate(RESTORED)
    figures: dict[str, Any] = {}
    for name, panel, selector in (
        ("list", OURS, ".jp-aicci-list"),
        ("peer_list", "filebrowser", ".jp-DirListing-content"),
    ):
        page.evaluate(OPEN, [panel, selector])
        page.wait_for_timeout(1500)
        gaps = page.evaluate(SCROLL, selector)
        figures |= {
            f"{name}_frames_per_s": round(1000 / statistics.mean(gaps), 1),
            f"{name}_gap_p95_s": round(percentile(gaps, 0.95) / 1000, 4),
        }
    figures["list_rows_in_page"] = page.locator(".jp-aicci-run-row").count()
    page.close()
    return figures


def flood(browser: Any, address: str) -> dict[str, Any]:
    """Messages of the site, 50 a second, each with another cost of the live run."""
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    sockets: list[Any] = []

    def relay(socket: Any) -> None:
        server = socket.connect_to_server()
        server.on_message(lambda text: (sockets.append((socket, json.loads(text))), socket.send(text)))

    page.route_web_socket("**/aicci/api/stream*", relay)
    page.goto(f"{address}/lab?reset&token=benchmark")
    page.wait_for_function("window.jupyterapp", timeout=120_000)
    page.evaluate(RESTORED)
    page.evaluate(OPEN, [OURS, ".jp-aicci-run-row"])
    socket, first = next((socket, text) for socket, text in sockets if text["type"] == "site")
    run = next(run for run in first["site"]["runs"] if run["state"] == "running")
    page.evaluate(COUNT)
    began_s = time.monotonic()
    for at in range(FLOOD_S * FLOOD_PER_S):
        rows = [run | {"cost_micro": 1_000_000 + at * 1000}]
        socket.send(json.dumps({"type": "site_delta", "now_ns": first["site"]["now_ns"], "runs": rows}))
        page.wait_for_timeout(1000 / FLOOD_PER_S)
    repaints, took_s = page.evaluate("window.repaints"), time.monotonic() - began_s
    page.close()
    sent = FLOOD_S * FLOOD_PER_S
    return {"flood_messages_per_s": round(sent / took_s, 1), "repaints_per_s": round(repaints / took_s, 1)}


def hours(browser: Any, address: str) -> dict[str, Any]:
    """A live run of four hours, its messages as fast as the page takes them; heap after a tenth, a half and all of it."""
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    sockets: list[Any] = []

    def relay(socket: Any) -> None:
        server = socket.connect_to_server()

        def passed(text: str) -> None:
            if json.loads(text)["type"] == "view":
                sockets.append((socket, json.loads(text)["view"]))
                socket.send(text)

        server.on_message(passed)

    page.route_web_socket("**/aicci/api/runs/*/stream*", relay)
    page.goto(f"{address}/lab/tree/one.ipynb?reset&token=benchmark")
    page.locator(".jp-aicci-card .jp-aicci-state").first.wait_for(timeout=120_000)
    until("the run's view", lambda: page.wait_for_timeout(100) or sockets)
    devtools = page.context.new_cdp_session(page)
    devtools.send("HeapProfiler.enable")
    total, heap, began_s = HOURS * 3600 * PER_S, {}, time.monotonic()
    for at in range(total):
        socket, view = sockets[-1]
        socket.send(json.dumps(delta_of(view, at)))
        if at % 200 == 0:
            page.evaluate("() => new Promise(requestAnimationFrame)")
        if at + 1 in (total // 10, total // 2, total):
            page.wait_for_timeout(2000)
            devtools.send("HeapProfiler.collectGarbage")
            heap[at + 1] = devtools.send("Runtime.getHeapUsage")["usedSize"]
    page.close()
    tenth, half, all_of_it = heap.values()
    return {
        "hours_played": HOURS,
        "hours_messages": total,
        "hours_took_s": round(time.monotonic() - began_s),
        "heap_tenth_bytes": int(tenth),
        "heap_half_bytes": int(half),
        "heap_end_bytes": int(all_of_it),
        "heap_growth_ratio": round(all_of_it / tenth - 1, 3),
    }


def delta_of(view: dict[str, Any], at: int) -> dict[str, Any]:
    """What a quarter of a second adds: a point in each curve, and the bars' last span longer."""
    end_s = view["end_s"] + at / PER_S
    series = {
        lane["id"]: {"note": "", "t": [end_s], "v": [1 + at % 7], "value": str(at % 7), "lo": 0.0, "hi": 8.0}
        for lane in view["lanes"]
        if lane["kind"] == "series"
    }
    spans = {
        lane["id"]: [*lane["spans"][:-1], {**lane["spans"][-1], "t1": end_s}]
        for lane in view["lanes"]
        if lane["kind"] == "phases" and lane["spans"]
    }
    return {"type": "delta", "cursor": view["cursor"] + at + 1, "end_s": end_s, "series": series, "spans": spans}


def cards(browser: Any, address: str) -> dict[str, Any]:
    """Twenty cards of a live run in one notebook: tasks of the main thread that last, once all are drawn, while one scrolls."""
    page = a_page(browser, address, "lab/tree/many.ipynb?reset")
    page.locator(".jp-aicci-card .jp-aicci-state").first.wait_for()
    page.wait_for_timeout(20_000)
    began_s = page.evaluate("performance.now() / 1000")
    for at in range(CARDS):
        page.locator(".jp-Notebook .jp-Cell").nth(at % CARDS).scroll_into_view_if_needed()
        page.wait_for_timeout(1000)
    tasks = [ms / 1000 for at_s, ms in page.evaluate("window.longTasks") if at_s > began_s]
    page.close()
    return {
        "cards": CARDS,
        "long_tasks": len(tasks),
        "long_tasks_over_100ms": sum(task > 0.1 for task in tasks),
        "long_task_p95_s": round(percentile(tasks, 0.95), 3) if tasks else 0.0,
        "long_task_max_s": round(max(tasks, default=0.0), 3),
    }


def sizes() -> dict[str, Any]:
    """Bytes of our own JavaScript as installed; BokehJS is not in it."""
    static = Path(sys.prefix) / "share" / "jupyter" / "labextensions" / "jupyter-aicci" / "static"
    scripts = [path.read_bytes() for path in static.glob("*.js")]
    return {
        "javascript_bytes": sum(map(len, scripts)),
        "javascript_gzip_bytes": sum(len(gzip.compress(script)) for script in scripts),
    }


def main() -> None:
    from playwright.sync_api import sync_playwright

    with own_house() as root:
        from jupyter_aicci.client import Client, Program
        from jupyter_aicci.model.spec import parse_spec

        (root / "lab").mkdir()
        for at in range(RUNS):
            (root / "lab" / f"file-{at:04}.txt").touch()
        many_runs(RUNS)
        spec = parse_spec({"framework": "plain", "grace": 0.5, "python": sys.executable, "name": "live"})
        run = Client().submit(spec, Program(text=PROGRAM))
        threading.Event().wait(3)
        (root / "lab" / "one.ipynb").write_text(notebook_of(run.id, 1))
        (root / "lab" / "many.ipynb").write_text(notebook_of(run.id, CARDS))
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        with (
            jupyter_lab(root, 18901) as ours,
            jupyter_lab(root, 18902, disabled=True) as without,
            sync_playwright() as playwright,
        ):
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            figures = sizes() | starts(browser, ours, without)
            for part in (openings, scrolling, flood, cards, hours):
                figures |= part(browser, ours)
                print(part.__name__, "measured", file=sys.stderr)
            browser.close()
        run.stop()
        run.wait(60)
    report("page", figures)


if __name__ == "__main__":
    main()
