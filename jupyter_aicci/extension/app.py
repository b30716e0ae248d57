"""AicciApp: the extension as Jupyter server loads it.

Rule: starting it costs nothing: no service is started, nothing is drawn and nothing heavy imported before a page asks.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from jupyter_server.extension.application import ExtensionApp

from jupyter_aicci.extension import bokehjs, downloads, drawings, handlers, launches, stream
from jupyter_aicci.extension.announcer import Announcer
from jupyter_aicci.extension.upstream import Upstream
from jupyter_aicci.store.paths import Home


class AicciApp(ExtensionApp):
    """Runs, their timelines and their logs for the page, under `<base_url>aicci/`."""

    name = "aicci"
    extension_url = "/aicci/api/status"
    load_other_extensions = True

    def initialize_settings(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="aicci-start")
        self._launching = ThreadPoolExecutor(max_workers=1, thread_name_prefix="aicci-launch")
        self._drawing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="aicci-draw")
        home = Home.from_environment(os.environ)
        self._upstream = Upstream(home, self._threads)
        assert self.serverapp is not None
        assert self.serverapp.event_logger is not None
        self._announcer = Announcer(self._upstream, self.serverapp.event_logger)
        self.settings.update(
            aicci_home=home,
            aicci_upstream=self._upstream,
            aicci_drawing=self._drawing,
            aicci_launching=self._launching,
            aicci_announcer=self._announcer,
        )

    def initialize_handlers(self) -> None:
        for room in (handlers, launches, drawings, downloads, bokehjs, stream):
            self.handlers.extend(room.ROUTES)

    async def stop_extension(self) -> None:
        """The service and its runs go on; only this server's ways to them end."""
        self._announcer.close()
        self._upstream.close()
        self._drawing.shutdown(wait=False, cancel_futures=True)
        self._launching.shutdown(wait=False, cancel_futures=True)
        self._threads.shutdown(wait=False, cancel_futures=True)
