"""Fixtures of the extension's tests: a client, and a Jupyter server of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_builders import Jupyter, service_of_the_test

from jupyter_aicci.client import Client


@pytest.fixture
def client(aicci_home: Path) -> Iterator[Client]:
    with service_of_the_test() as client:
        yield client


@pytest.fixture
def jupyter(tmp_path: Path, client: Client) -> Iterator[Jupyter]:
    server = Jupyter(tmp_path)
    server.start()
    yield server
    server.stop()
