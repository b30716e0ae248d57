"""Fixtures of the browser tests: a client, a Jupyter of the test's own, a page in real Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jupyter_builders import Jupyter, service_of_the_test
from page_builders import CHROMIUM_ARGUMENTS, Notebook
from people import board as board
from people import person as person
from playwright.sync_api import Browser, sync_playwright

from jupyter_aicci.client import Client


@pytest.fixture
def client(aicci_home: Path) -> Iterator[Client]:
    with service_of_the_test() as client:
        yield client


@pytest.fixture
def jupyter(tmp_path: Path, client: Client, request: pytest.FixtureRequest) -> Iterator[Jupyter]:
    """JupyterLab, or the application that the test names in `indirect` parameters."""
    server = Jupyter(tmp_path, getattr(request, "param", "lab"))
    yield server
    server.stop()


@pytest.fixture
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def opened(jupyter: Jupyter, browser: Browser, repository: Path) -> Callable[..., Notebook]:
    """`opened(cell, …)`: Jupyter is started and shows a notebook with these cells."""

    def open_(*cells: str) -> Notebook:
        notebook = Notebook(jupyter, browser, repository / "screenshots")
        notebook.write(cells)
        jupyter.start()
        notebook.open()
        return notebook

    return open_
