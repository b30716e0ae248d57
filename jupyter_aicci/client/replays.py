"""`jupyter_aicci.replay(...)`: a trace's file played through the scheduler, the answer as pandas frames.

In: paths and words as they are typed. Out: `Replayed`, whose frames are made when somebody looks at them.
Rule: reads files and nothing else; needs no service. numpy, pandas and bokeh are imported by what needs them.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aicci.model.errors import HostError, UserError

if TYPE_CHECKING:
    import pandas as pd

    from jupyter_aicci.traces.replay import Replay

DEFAULT_HOSTS, DEFAULT_GPUS = 8, 8  # the cluster of Muri's figures
GZIP = b"\x1f\x8b"
Watch = Callable[[int, int], None]


class Replayed:
    """What became of a trace. `summary` has the numbers of `aicci replay --json`."""

    def __init__(self, summary: dict[str, Any], replay: Replay | None = None) -> None:
        self.summary, self._replay = summary, replay

    @property
    def jobs(self) -> pd.DataFrame:
        """A row for each job: id, submit_s, start_s, end_s, wait_s, jct_s, preemptions; seconds since the trace's zero."""
        import pandas as pd

        from jupyter_aicci.traces.metrics import job_columns

        replay = self._timed()
        return pd.DataFrame(job_columns(replay.trace, replay.played))

    @property
    def use(self) -> pd.DataFrame:
        """A row for each event, true until the next: time_s, held, waiting, waiting_accelerators, stranded."""
        import pandas as pd

        from jupyter_aicci.traces.metrics import use_columns

        return pd.DataFrame(use_columns(self._timed().played.use))

    def html(self) -> str:
        """A page that opens offline: use and queues over time."""
        from jupyter_aicci.traces.figure import page
        from jupyter_aicci.traces.metrics import facts

        replay = self._timed()
        title = f"{Path(replay.trace.source).name} · {replay.policy.name} · {replay.accelerators} accelerators"
        return page(replay.played.use, accelerators=replay.accelerators, title=title, facts=facts(self.summary))

    def save(self, path: str | Path) -> None:
        """Write the page. Raises `HostError` (cannot_write)."""
        text = self.html()
        try:
            Path(path).write_text(text, encoding="utf-8")
        except OSError as error:
            raise HostError("cannot_write", f"{path} cannot be written: {error.strerror}.") from None

    def __repr__(self) -> str:
        from jupyter_aicci.traces.metrics import facts

        return "\n".join(facts(self.summary))

    def _timed(self) -> Replay:
        if self._replay is None:
            raise UserError(
                "no_times", "an openb trace is filled into the cluster in an order that is drawn, so it has no times.",
                hint="The numbers are in `.summary`.",
            )  # fmt: skip
        return self._replay


def replay(
    trace: str | Path,
    *,
    format: str = "csv",
    policy: str = "",
    nodes: int = DEFAULT_HOSTS,
    gpus: int = DEFAULT_GPUS,
    cluster: str | Path = "",
    restart_costs: str = "none",
    placement: str = "",
    seed: int = 0,
    watch: Watch | None = None,
) -> Replayed:
    """Play a trace's file, packed by gzip or not; `cluster` is a topology file, for openb its list of nodes.

    `seed` is of the order in which openb's pods arrive, and of its placement by chance; nothing else is drawn.

    Raises `UserError`: bad_file, bad_trace with every defect, bad_topology, bad_cluster, unknown_policy, and the like.
    """
    from jupyter_aicci.scheduler.topology import parse_topology
    from jupyter_aicci.traces.replay import Options, replay_trace
    from jupyter_aicci.traces.trace import parse_trace

    text = _read(trace, "TRACE")
    if format == "openb":
        return _filled(text, str(trace), cluster, policy, placement, seed, watch)
    options = Options(
        policy=policy,
        nodes=nodes,
        gpus=gpus,
        topology=parse_topology(_read(cluster, "cluster"), str(cluster)) if cluster else None,
        restart_costs=restart_costs,
        placement=placement,
    )
    played = replay_trace(parse_trace(text, format, str(trace)), options, watch)
    return Replayed(played.summary, played)


def _filled(
    text: str, source: str, cluster: str | Path, policy: str, placement: str, seed: int, watch: Watch | None
) -> Replayed:
    """Pods come one by one and wait for nothing, so every policy decides alike; only the placement counts."""
    from jupyter_aicci.traces.replay import fill

    if not cluster:
        raise UserError(
            "bad_cluster", "openb needs its list of nodes, and none is given. Nothing was played.",
            hint="Give it with --cluster NODES.csv.", field="cluster",
        )  # fmt: skip
    nodes = (_read(cluster, "cluster"), str(cluster))
    return Replayed(fill((text, source), nodes, policy=policy, placement=placement, seed=seed, watch=watch))


def _read(path: str | Path, field: str) -> str:
    try:
        data = Path(path).expanduser().read_bytes()
        return (gzip.decompress(data) if data.startswith(GZIP) else data).decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise UserError(
            "bad_file", f"{path} cannot be read: {_reason(error)}. Nothing was played.",
            hint="docs/reference/traces.md says what a trace's file looks like.", field=field,
        ) from None  # fmt: skip


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 text ({error.reason})"
    return getattr(error, "strerror", None) or f"not a whole gzip file ({error})"
