"""The Jupyter server extension: what the page asks the service, proxied with Jupyter's own login and rights.

    app        AicciApp: the handlers under `<base_url>aicci/`
    upstream   HTTP and WebSocket to the service's Unix socket; a dead service is started again
    handlers   what is common to all, and the proxied routes
    stream     the live stream of one run
    drawings   figure, picture and bundle of one run, drawn in one thread apart
    bokehjs    BokehJS of the installed bokeh, offline and of exactly the figure's version
Rule: no logic of its own; what a request means is decided in the service. Every route is authenticated and authorised
(resource "aicci"; launching is "execute"), under whatever base_url.
"""

from jupyter_aicci.extension.app import AicciApp

__all__ = ["AicciApp"]
