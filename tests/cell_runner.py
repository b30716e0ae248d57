"""A notebook without a page: a real kernel, cells run in it, everything they put out, Stop and restart.

Rule: no waiting without a deadline; what a cell showed is read from the kernel's messages, as a page does.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

LIMIT_S = 60.0
MIME = "application/vnd.aicci.run+json"


@dataclass(slots=True)
class Output:
    """What a cell has put out so far."""

    text: str = ""  # stdout and stderr
    bundles: list[dict[str, Any]] = field(default_factory=list)  # display_data and its updates, in order
    error: str = ""  # class of the exception
    traceback: list[str] = field(default_factory=list)
    done: bool = False

    @property
    def cards(self) -> list[dict[str, Any]]:
        """Bundles of runs."""
        return [bundle for bundle in self.bundles if MIME in bundle]

    @property
    def run_id(self) -> str:
        return str(self.cards[0][MIME]["id"])


class Notebook:
    """The kernel "Python (aicci)" from kernels/, started in a directory."""

    def __init__(self, repository: Path, directory: Path) -> None:
        specs = KernelSpecManager(kernel_dirs=[str(repository / "kernels")], ensure_native_kernel=False)
        self._manager = KernelManager(kernel_name="aicci", kernel_spec_manager=specs)
        self._manager.start_kernel(cwd=str(directory))
        self._connect()

    def _connect(self) -> None:
        self._client: BlockingKernelClient = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=LIMIT_S)

    def start(self, code: str) -> Cell:
        """Start a cell without waiting for it."""
        return Cell(self._client, self._client.execute(code))

    def run(self, code: str) -> Output:
        """Run a cell to its end."""
        return self.start(code).end()

    def completions(self, code: str) -> list[str]:
        """What Tab offers at the end of `code`."""
        reply = self._client.complete(code, reply=True, timeout=LIMIT_S)
        return list(reply["content"]["matches"])

    def stop_button(self) -> None:
        """The kernel's interrupt, as the Stop button sends it."""
        self._manager.interrupt_kernel()

    def restart(self) -> None:
        """Kernel → Restart."""
        self._client.stop_channels()
        self._manager.restart_kernel(now=True)
        self._connect()

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


class Cell:
    """One running cell."""

    def __init__(self, client: BlockingKernelClient, msg_id: str) -> None:
        self._client, self._msg_id, self.output = client, msg_id, Output()

    def until(self, seen: str) -> Output:
        """Return as soon as the cell has put out this text or a bundle with this MIME type."""
        return self._read(lambda out: seen in out.text or any(seen in bundle for bundle in out.bundles))

    def end(self) -> Output:
        """Everything that the cell put out."""
        return self._read(lambda out: out.done)

    def _read(self, enough: Any) -> Output:
        deadline_s = time.monotonic() + LIMIT_S
        while not enough(self.output):
            left_s = deadline_s - time.monotonic()
            assert left_s > 0, f"after {LIMIT_S:.0f} s the cell has only put out {self.output}"
            assert not self.output.done, f"the cell ended with {self.output}"
            message = self._client.get_iopub_msg(timeout=left_s)
            if message["parent_header"].get("msg_id") == self._msg_id:
                _take(self.output, message["msg_type"], message["content"])
        return self.output


def _take(output: Output, kind: str, content: dict[str, Any]) -> None:
    if kind == "stream":
        output.text += content["text"]
    elif kind in ("display_data", "update_display_data"):
        output.bundles.append(content["data"])
    elif kind == "execute_result":
        output.text += content["data"]["text/plain"]
    elif kind == "error":
        output.error, output.traceback = content["ename"], content["traceback"]
    elif kind == "status" and content["execution_state"] == "idle":
        output.done = True
