"""`%%aicci train` and `%aicci …` in IPython, and their completion.

Rule 1: `%load_ext jupyter_aicci` only registers names; client, timeline and pictures are imported when a magic runs.
Rule 2: no logic of runs here: words come from `render`, everything else from `client`.
Rule 3: synchronous code only, so that Stop reacts at once (an `await` would hold it back).
"""

from __future__ import annotations

from typing import Any


def load(ipython: Any) -> None:
    """Register the magics and the completion; a second call changes nothing."""
    from jupyter_aicci.magics.completion import Completion
    from jupyter_aicci.magics.magic import AicciMagics

    if "AicciMagics" in ipython.magics_manager.registry:
        return
    ipython.register_magics(AicciMagics(ipython))
    ipython.Completer.custom_matchers.append(Completion(ipython).matcher)


def unload(ipython: Any) -> None:
    """Take both out again; harmless when they are not there."""
    from jupyter_aicci.magics.completion import Completion

    ipython.magics_manager.registry.pop("AicciMagics", None)
    for kind in ("line", "cell"):
        ipython.magics_manager.magics[kind].pop("aicci", None)
    matchers = ipython.Completer.custom_matchers
    matchers[:] = [matcher for matcher in matchers if not isinstance(getattr(matcher, "__self__", None), Completion)]
