"""What a notebook keeps of a run: the MIME bundle of section 9 of docs/explanation/processes-and-files.md.

Kernel, handle and server all write it, and the labextension reads it (`MIME_TYPE` in labextension/src/tokens.ts).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

RUN_MIME = "application/vnd.aicci.run+json"
VERSION = 1


def bundle(summary: Mapping[str, Any], text: str, png: bytes | None = None) -> dict[str, Any]:
    """Id and summary for the live view, the words, and the picture where there is one."""
    made: dict[str, Any] = {
        "text/plain": text,
        RUN_MIME: {"id": summary["id"], "summary": dict(summary), "version": VERSION},
    }
    if png:
        made["image/png"] = base64.b64encode(png).decode()
    return made


def bundle_metadata(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What stands beside the bundle: words for who cannot see the picture, where a front end asks for them."""
    name = summary.get("name") or summary["id"]
    alt = f"Timeline of run {name}: what every rank did when, what was measured, and what it cost."
    return {"image/png": {"alt": alt}}
