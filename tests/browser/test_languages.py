"""The page in another language: everything of ours is said in it, and longer words find their place."""

from __future__ import annotations

import json
import platform
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polib
import pytest
from jupyter_builders import Jupyter
from page_builders import MIME, Notebook
from panel_builders import PANEL, Panel
from playwright.sync_api import Browser, Route

from jupyter_aicci.client import Client, Program
from jupyter_aicci.model.options import OPTIONS, default_text
from jupyter_aicci.model.spec import parse_spec

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

ROOT = Path(__file__).resolve().parents[2]
POT = ROOT / "jupyter_aicci" / "locale" / "jupyter_aicci.pot"

# killed once from outside and begun again, which is finding F29
FOUND = """\
import os, signal, time
if os.environ["AICCI_ATTEMPT"] == "1":
    for step in range(100):
        time.sleep(0.04)
        aicci.step()
    os.kill(os.getpid(), signal.SIGKILL)
for step in range(140):
    time.sleep(0.04)
    aicci.log(step=step, loss=2.5 / (1 + step / 20))
    aicci.step()
"""
FAILS = """\
aicci.step()
if aicci.rank == 1:
    raise ValueError("bad batch")
aicci.allreduce([1.0])
"""

# every text of ours that can be seen or is read aloud, but for what a program printed
TEXTS_JS = """() => {
  const texts = [];
  const isShown = element => element.checkVisibility({ visibilityProperty: true });
  const isPrinted = element => element.closest('pre, code, .jp-aicci-log-lines, .jp-aicci-log-text');
  for (const element of document.querySelectorAll('[class*="jp-aicci-"], [class*="jp-aicci-"] *')) {
    if (!isShown(element) || isPrinted(element)) continue;
    for (const name of ['title', 'aria-label', 'placeholder']) {
      texts.push(element.getAttribute(name));
    }
    for (const node of element.childNodes) {
      if (node.nodeType === Node.TEXT_NODE) texts.push(node.data);
    }
  }
  return [...new Set(texts.filter(text => text && text.trim()))];
}"""

# what is the same in every language: numbers, units, names of things and of keys, what was typed or chosen by a person
SAME = re.compile(
    r"r[a-z0-9]{7}|cpux\d+|rank|loss|acc|digits|fails|default|GPUs?|CPUs?|NPUs?|RDMA|NVLink|/dev/shm|[kMGT]?B(/s)?|ms|min|sec|hr?|"
    r"Escape|Home|End|Shift|NAME=PATH|PNG|HTML|CSV|JSON|Parquet|Perfetto|USD|"
    + "|".join(
        re.escape(word)
        for option in OPTIONS
        for word in (*option.choices, default_text(option), option.metavar)
        if word
    )
    + r'|cell\.py, line 3: raise ValueError\("bad batch"\)|'
    + re.escape(platform.node())
)

# our elements whose words do not fit: what scrolls, or is cut with an ellipsis on purpose, is meant to
OVERFLOWS_JS = """selector => {
  const found = [];
  for (const root of document.querySelectorAll(selector)) {
    for (const element of [root, ...root.querySelectorAll('*')]) {
      const style = getComputedStyle(element);
      const isMeant = style.overflowX !== 'visible' || style.display.startsWith('inline') || element.closest('svg, canvas');
      if (!isMeant && element.checkVisibility() && element.scrollWidth > element.clientWidth + 1 && element.clientWidth) {
        found.push(`${element.className}: ${element.scrollWidth} > ${element.clientWidth}: ${element.textContent.slice(0, 60)}`);
      }
    }
  }
  return found;
}"""


@pytest.fixture
def runs(client: Client) -> list[str]:
    """A run with a finding, and one that failed."""
    return [_ended(client, "digits", FOUND), _ended(client, "fails", FAILS)]


def _ended(client: Client, name: str, program: str) -> str:
    spec = parse_spec({"nodes": 2, "name": name, "framework": "plain", "python": sys.executable, "retries": 1})
    run = client.submit(spec, Program(text=program))
    run.wait(120)
    return str(run.id)


@pytest.fixture
def shown(jupyter: Jupyter, browser: Browser, repository: Path, runs: list[str]) -> Iterator[Callable[..., Notebook]]:
    """JupyterLab in a language, with a notebook that has both runs as outputs; `catalogue` stands in for the installed one."""
    opened: list[Notebook] = []

    def show(language: str, catalogue: dict[str, Any] | None = None) -> Notebook:
        jupyter.settings("@jupyterlab/translation-extension:plugin", {"locale": language})
        jupyter.settings("@jupyterlab/translation-extension/plugin", {"locale": language})
        notebook = Notebook(jupyter, browser, repository / "screenshots")
        notebook.write(["1", "2"])
        book = json.loads(notebook.path.read_text())
        for cell, run_id in zip(book["cells"], runs, strict=True):
            data = {MIME: {"id": run_id, "summary": {}, "version": 1}, "text/plain": "the run"}
            cell["outputs"] = [{"output_type": "display_data", "data": data, "metadata": {}}]
        notebook.path.write_text(json.dumps(book))
        jupyter.start()
        if catalogue is not None:
            notebook.page.route("**/lab/api/translations/*", lambda route: _with(route, catalogue))
        notebook.open()
        notebook.wait_points(100)
        opened.append(notebook)
        return notebook

    yield show
    assert [error for notebook in opened for error in notebook.errors] == []


def _with(route: Route, catalogue: dict[str, Any]) -> None:
    """The server's answer with another catalogue of ours."""
    answer = route.fetch()
    body = answer.json()
    body["data"]["jupyter_aicci"] = catalogue
    route.fulfill(response=answer, json=body)


def english(texts: list[str]) -> list[str]:
    """The texts that have neither a Chinese word nor nothing but data."""
    plain = [text for text in texts if not re.search("[一-鿿]", text)]
    return [text for text in plain if re.search("[A-Za-z]{2}", SAME.sub("", text))]


def test_all_of_ours_is_chinese(shown: Callable[..., Notebook]) -> None:
    """Cards of a run with a finding and of one that failed, and the tab: no English word of ours is left."""
    notebook = shown("zh_CN")
    assert notebook.page.locator("html").get_attribute("lang") == "zh-CN"
    assert notebook.page.locator(".lm-MenuBar").get_by_text("训练", exact=True).is_visible()
    notebook.shot("languages-chinese-card")
    failed = notebook.page.locator(".jp-aicci-output .jp-aicci-card").nth(1)
    failed.scroll_into_view_if_needed()
    notebook.until(lambda: "失败" in failed.inner_text(), "the second card says that its run failed")
    notebook.shot("languages-chinese-failed")
    assert english(notebook.page.evaluate(TEXTS_JS)) == []

    notebook.card.get_by_role("button", name="打开", exact=True).click()
    notebook.page.locator(".jp-aicci-tab .jp-aicci-lane-name").first.wait_for()
    notebook.shot("languages-chinese-tab")
    assert english(notebook.page.evaluate(TEXTS_JS)) == []

    panel = Panel(notebook).open()
    panel.node.locator("[aria-controls=jp-aicci-more-options]").click()
    notebook.until(lambda: "立即启动" in panel.answer(), "the form says that it would start now")
    notebook.shot("languages-chinese-panel")
    assert english(notebook.page.evaluate(TEXTS_JS)) == []
    panel.field("budget").fill("much")
    notebook.until(lambda: "金额" in panel.wrong("budget"), "the field says what is wrong")
    assert english(notebook.page.evaluate(TEXTS_JS)) == []
    panel.field("budget").fill("")
    panel.field("nodes").fill("1000")
    notebook.until(lambda: "永远无法启动" in panel.node.inner_text(), "the form says that it can never start")
    notebook.shot("languages-chinese-wrong")
    assert english(notebook.page.evaluate(TEXTS_JS)) == []


def pseudo() -> dict[str, Any]:
    """A language that is English with marks, and 40 % longer: `[!!! Šŧöþ ~~ !!!]`."""
    marked = str.maketrans("aAcCeEhiInNoOsStuUyY", "åÅçÇéÉĥïÏñÑöÖšŠŧüÜýÝ")
    messages: dict[str, Any] = {
        "": {"domain": "jupyter_aicci", "language": "zh-CN", "plural_forms": "nplurals=1; plural=0;"}
    }
    for entry in polib.pofile(str(POT)):
        longer = f"[!!! {entry.msgid.translate(marked)} {'~' * (len(entry.msgid) * 2 // 5)} !!!]"
        key = f"{entry.msgctxt}\x04{entry.msgid}" if entry.msgctxt else entry.msgid
        messages[key] = [longer, ""] if entry.msgid_plural else [longer]
    return messages


def test_words_that_are_longer_find_their_place(shown: Callable[..., Notebook]) -> None:
    """In the pseudo-language nothing of card and tab is wider than its box, and nothing is left in English."""
    notebook = shown("zh_CN", pseudo())
    notebook.shot("languages-pseudo-card")
    assert notebook.page.evaluate(OVERFLOWS_JS, ".jp-aicci-card") == []
    notebook.card.locator("button", has_text="Öþéñ").or_(notebook.card.locator("button", has_text="Öpéñ")).first.click()
    notebook.page.locator(".jp-aicci-tab .jp-aicci-lane-name").first.wait_for()
    notebook.shot("languages-pseudo-tab")
    assert notebook.page.evaluate(OVERFLOWS_JS, ".jp-aicci-tab") == []

    panel = Panel(notebook).open()
    panel.node.locator("[aria-controls=jp-aicci-more-options]").click()
    notebook.until(lambda: bool(panel.answer()), "the form says when it would start")
    panel.widen(320)
    notebook.shot("languages-pseudo-panel")
    panel.section("new-run").locator(".jp-aicci-section-title").click()
    notebook.shot("languages-pseudo-lists")
    assert notebook.page.evaluate(OVERFLOWS_JS, f"#{PANEL}") == []
