"""A real Jupyter server of the test's own: started, asked, killed and started again on the same port.

Everything it writes lies in the test's directory; its token is random, and nothing of the person's configuration is read.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from jupyter_aicci.client import Client
from jupyter_aicci.model.errors import AicciError

START_LIMIT_S = 60.0
ONLY_LOOKING = """
from jupyter_server.auth.authorizer import Authorizer
class OnlyLooking(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        return resource != "aicci" or action == "read"
class Nothing(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        return resource != "aicci"
c.ServerApp.authorizer_class = %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Jupyter:
    """`jupyter server`, `lab` or `notebook` under a base_url."""

    def __init__(self, directory: Path, app: str = "server", *, base_url: str = "/a%40b/", config: str = "") -> None:
        self.root = directory / "notebooks"
        self.token = secrets.token_hex(16)
        self.base_url = base_url
        self.log = directory / "jupyter.log"
        self._directory, self.app = directory, app
        self._process: subprocess.Popen[bytes] | None = None
        self.root.mkdir(exist_ok=True)
        (directory / "config").mkdir(exist_ok=True)
        (directory / "config" / "jupyter_server_config.py").write_text(config)
        self.settings("@jupyterlab/apputils-extension/notification", {"fetchNews": "false", "checkForUpdates": False})
        self.port = _free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.base_url}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [
            sys.executable, "-m", "jupyter", self.app, "--no-browser", "--allow-root", "--ip=127.0.0.1",
            f"--port={self.port}", "--ServerApp.port_retries=0", f"--ServerApp.base_url={self.base_url}",
            f"--ServerApp.root_dir={self.root}", f"--IdentityProvider.token={self.token}",
            "--ServerApp.allow_unauthenticated_access=False",
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self._environment(), cwd=self.root, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            with contextlib.suppress(OSError):
                if self.ask("api/status").status == 200:
                    return
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"jupyter {self.app} does not answer:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it as a person would, kernels included."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it at once."""
        assert self._process
        self._process.kill()
        self._process.wait(10)

    def settings(self, plugin: str, values: Mapping[str, Any]) -> None:
        """What a person has set in JupyterLab, by the plugin's name."""
        path = self._directory / "settings" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))

    def ask(
        self, path: str, verb: str = "GET", body: Any = None, *, token: bool = True, headers: Mapping[str, str] = {}
    ) -> Answer:
        """One request; errors are answers too."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, dict(headers), method=verb)
        if token:
            request.add_header("Authorization", f"token {self.token}")
        opener = urllib.request.build_opener(_NoRedirect)
        try:
            with opener.open(request, timeout=30) as response:
                return Answer(status=response.status, headers=response.headers, body=response.read())
        except urllib.error.HTTPError as error:
            return Answer(status=error.code, headers=error.headers, body=error.read())

    def _environment(self) -> dict[str, str]:
        names = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
        own = {f"JUPYTER_{name}": str(self._directory / name.partition("_")[0].lower()) for name in names}
        for name in ("SETTINGS", "WORKSPACES"):
            own[f"JUPYTERLAB_{name}_DIR"] = str(self._directory / name.lower())
        return {**os.environ, **own, "IPYTHONDIR": str(self._directory / "ipython"), "PYTHONWARNINGS": "default"}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """A redirect to the login page is an answer."""


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def service_pid(runtime: Path) -> int:
    """The pid in service.json."""
    return int(json.loads((runtime / "service.json").read_text())["claim"]["pid"])


def kill_service(runtime: Path) -> int:
    """Kill -9 the service; the pid that it had."""
    pid = service_pid(runtime)
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}/stat").exists() and not _is_zombie(pid):
        assert time.monotonic() < deadline, f"service {pid} does not die"
        time.sleep(0.01)
    return pid


def kill_kernels(directory: Path) -> int:
    """Kill -9 every kernel that was started in this directory; how many there were."""
    killed = 0
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            ours = entry.name.isdigit() and f"{directory}/".encode() in (entry / "environ").read_bytes()
            if ours and b"ipykernel_launcher" in (entry / "cmdline").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)
                killed += 1
    return killed


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@contextlib.contextmanager
def service_of_the_test() -> Iterator[Client]:
    """A client; afterwards every run is stopped and the service is shut down."""
    client = Client()
    try:
        yield client
    finally:
        with contextlib.suppress(AicciError):
            live = [run["id"] for run in client.runs() if not run["ended_at"]] if _is_up(client) else []
            for run_id in live:
                client.stop(run_id, grace_s=0.1)
            for run_id in live:
                client.run(run_id).wait(timeout_s=20)
        client.shutdown()


def _is_up(client: Client) -> bool:
    return client.home.runs_dir.exists()


def plain_program(steps: int, every_s: float) -> str:
    """A program of two ranks that logs a loss; `steps` lines of log."""
    return re.sub(
        r"(?m)^ {8}",
        "",
        f"""\
        import time
        for step in range({steps}):
            time.sleep({every_s})
            aicci.log(step=step, loss=2.5 / (1 + step / 20))
            aicci.step()
            print("step", step, flush=True)
        """,
    )


async def open_stream(jupyter: Jupyter, path: str, *, token: bool = True, **headers: str) -> WebSocketClientConnection:
    url = jupyter.url.replace("http", "ws", 1) + path
    if token:
        headers["Authorization"] = f"token {jupyter.token}"
    return await websocket_connect(HTTPRequest(url, headers=headers), max_message_size=1 << 26)
