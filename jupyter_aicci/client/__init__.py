"""The Python API: the only door of magics, widgets, CLI and notebooks to the service.

    client = Client(Home.from_environment(os.environ))     starts the service when the first call needs it
    run = client.submit(spec, program)                     -> Run: wait, stop, logs, cost, result, view, picture
    CopiedRun(path)                                        a folder from elsewhere: metrics, phases, costs, save, view
    client.run(ref)  client.runs()  client.shapes()  client.queues()  client.forecast(spec)  client.status()

`transport` speaks HTTP on the socket, `starting` starts the service, `calls` has a method per route, `program` lays a program out
in its run's folder, `run` is what a person holds, `data` what can be taken out of it, and `api` joins them to the `Client`.
Rule: importing this costs a few milliseconds: the standard library, `model` and paths; numpy, bokeh and matplotlib only when drawn.
"""

from jupyter_aicci.client.api import Client
from jupyter_aicci.client.data import CopiedRun
from jupyter_aicci.client.program import Program
from jupyter_aicci.client.run import Run
from jupyter_aicci.client.starting import ensure_service
from jupyter_aicci.client.transport import Unreachable

__all__ = ["Client", "CopiedRun", "Program", "Run", "Unreachable", "ensure_service"]
