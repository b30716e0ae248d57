"""Ids of runs, and how a person's short form of one is resolved.

Rule: the client draws the id, so that a submit that is sent twice is one run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NewType

from jupyter_aicci.model.errors import NotFoundError, UserError, did_you_mean

RunId = NewType("RunId", str)

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32: no i, l, o, u
RUN_ID = re.compile(r"r[0-9abcdefghjkmnpqrstvwxyz]{7}")


def new_run_id(random_below: Callable[[int], int]) -> RunId:
    """`r` and seven base-32 digits (34 bits); `random_below(n)` is `secrets.randbelow` outside tests."""
    return RunId("r" + "".join(ALPHABET[random_below(32)] for _ in range(7)))


def resolve(ref: str, runs: Iterable[tuple[RunId, str]]) -> RunId:
    """The run meant by an id, a name (the newest of that name) or a unique id prefix.

    `runs` is (id, name), newest first. Raises `NotFoundError` for none, `UserError` for several.
    """
    known = list(runs)
    for run_id, name in known:
        if ref and ref in (run_id, name):
            return run_id
    matches = [run_id for run_id, _ in known if run_id.startswith(ref)] if ref else []
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UserError(
            "ambiguous_run", f"run '{ref}' is the start of {len(matches)} ids: {', '.join(matches[:5])}.",
            hint="Type more of the id.", field="run",
        )  # fmt: skip
    guess = did_you_mean(ref, [word for pair in known for word in pair if word])
    raise NotFoundError(
        "unknown_run", f"run '{ref}' is not in this machine's journal" + (f"; {guess}" if guess else "."),
        hint="`aicci ps` lists the runs.", field="run",
    )  # fmt: skip
