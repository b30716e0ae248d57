"""The control loop: places waiting runs, reads what their nodes say, records what follows, and acts.

Rule 1: journal first, then act; every act is idempotent, so that a crash between the two is repaired by the next start (`adopt`).
Rule 2: nothing is awake without need: the spools are read every 25 ms while a run holds nodes; otherwise the loop sleeps until a
request kicks it or a back-off or a deadline is due.
Rule 3: what goes wrong with one run (a full disk, a mistake of ours) is told and tried again, and holds up no other run.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jupyter_aicci.agent.checkpoints import latest_complete
from jupyter_aicci.model.errors import AicciError
from jupyter_aicci.model.events import Event, NodeHeld, Noted, Placed, Stepped
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.model.run import Run
from jupyter_aicci.model.states import Step
from jupyter_aicci.model.text import NS
from jupyter_aicci.service.control import Halt, Now, Reaction, react
from jupyter_aicci.service.feed import Feed
from jupyter_aicci.service.limits import parse_deadline_ns
from jupyter_aicci.service.runs import Runs
from jupyter_aicci.service.seen import Seen, see

if TYPE_CHECKING:
    from jupyter_aicci.engines.local import LocalEngine
    from jupyter_aicci.model.placement import Placement
    from jupyter_aicci.store.paths import Home

TICK_S = 0.025
AGAIN_S = 1.0  # after something went wrong
LOG = logging.getLogger("aicci.service")


@dataclass(slots=True, kw_only=True)
class Watch:
    """What the loop keeps of a run that holds nodes; all of it can be had again from disk."""

    feed: Feed
    seen: Seen
    noted: set[str]
    halted: Halt | None = None
    complaint: str = ""
    again_ns: int = 0  # not before, after something went wrong


@dataclass(slots=True)
class _Timer:
    """At most one call is planned; an earlier one replaces it."""

    handle: asyncio.TimerHandle | None = None
    due_s: float = field(default=0.0)

    def plan(self, loop: asyncio.AbstractEventLoop, delay_s: float, call: object) -> None:
        due_s = loop.time() + delay_s
        if self.handle is not None and self.due_s <= due_s:
            return
        self.cancel()
        self.due_s = due_s
        self.handle = loop.call_at(due_s, call)  # type: ignore[arg-type]

    def cancel(self) -> None:
        if self.handle is not None:
            self.handle.cancel()
        self.handle = None
