"""Pages of what is decided and measured: policies, findings, metrics, and the tables of a run's data.

In: the tables of the scheduler, of the rules, of the metrics, and of what is exported.
Rule: a page holds nothing that its table does not; words about a whole table stand here.
"""

from __future__ import annotations

from jupyter_aicci.client import exports, tables
from jupyter_aicci.model import metrics
from jupyter_aicci.scheduler import policies
from jupyter_aicci.timeline.findings.rule import GATES
from jupyter_aicci.timeline.findings.table import RULES
from reference.markdown import code, page, table


def policies_page() -> str:
    def row(policy: policies.Policy) -> tuple[str, ...]:
        name = code(policy.name) + (" (default)" if policy.name == policies.DEFAULT_POLICY else "")
        return (
            name,
            policy.about,
            str(policy.backfill),
            str(policy.takes),
            "replay only" if policy.anew else "live, replay",
        )

    return page(
        "Policies",
        "jupyter_aicci/scheduler/policies.py",
        "Who goes first, who may start past others, and whose place a run may take.\n"
        'For live runs `policy = "NAME"` stands under `[scheduler]` in `config.toml`;'
        " for a trace it is `aicci replay --policy NAME`.\n"
        "How they work: [Scheduling](../explanation/scheduling.md).",
        table(
            ("policy", "order", "starts past others", "takes the place of", "for"), map(row, policies.POLICIES.values())
        ),
    )


def findings_page() -> str:
    parts = []
    for rule, find in RULES:
        rows = [
            ("measures", rule.measures),
            ("speaks from", rule.threshold),
            ("the numbers are from", rule.source),
            ("counted as wasted", rule.money),
            ("needs", rule.needs),
            ("in the code", code(f"{find.__module__.removeprefix('jupyter_aicci.')}.{find.__name__}")),
        ]
        parts.append(f"## {rule.id} {rule.name}\n\n" + table(("", f"version {rule.version}"), rows))
    return page(
        "Findings",
        "jupyter_aicci/timeline/findings/",
        "What the rules look for in a run, from where on they speak, and what their numbers stand on.\n"
        "A finding has its time, its ranks, how sure it is, what it wasted in time and money, and one thing to try.",
        f"The first {GATES.skip_steps} steps of an attempt are left out.\n"
        f"A window has at least {GATES.least_steps} steps of every rank and lasts at least {GATES.window_s:.0f} s;"
        f" {GATES.raise_windows} in a row raise a finding, {GATES.clear_windows} in a row clear it.\n"
        f"Confidence is 0.9 from {GATES.sure_steps} steps and {GATES.sure_s:.0f} s on, 0.6 below, 1.0 for facts.\n"
        "What another finding explains is left out: a slow rank whose clocks are capped is one finding, not two.",
        "Where a machine does not measure what a rule needs, the rule says nothing.\n"
        "Rules about accelerators and RDMA have not run on such devices yet; they are tested on series made after the drivers'"
        " documentation.",
        *parts,
    )


SCOPES = {
    "rank": "A rank and every process that descends from it.",
    "node": "The host, and the cgroup that bounds the ranks of the node (`group_…`).",
    "device": "An accelerator of the run: `node-0/gpu-3` is device 3 of node 0.",
    "nic": "An RDMA port: `node-0/mlx5_0`.",
}


def metrics_page() -> str:
    def row(metric: metrics.Metric) -> tuple[str, ...]:
        unit = f"{metric.unit or 'count'}/s" if metric.counter else metric.unit
        return code(metric.name), unit, "counter" if metric.counter else "gauge", metric.label

    parts = []
    for scope, about in SCOPES.items():
        rows = [row(metric) for metric in metrics.METRICS if metric.scope == scope]
        parts.append(f"## {scope}\n\n{about}\n\n" + table(("metric", "drawn in", "kind", "meaning"), rows))
    return page(
        "Metrics",
        "jupyter_aicci/model/metrics.py",
        "What the agent of a node reads once a second, and ten times a second for a moment around trouble and new findings.\n"
        "An agent that takes more than 1 % of a core over a minute reads more seldom, down to once in eight seconds.\n"
        "Some change slowly or cost much to read, and are told every ten seconds.\n"
        "A counter is kept as it was read and drawn as its rate; where it steps back it began anew.\n"
        "What a machine does not have is absent, never zero.",
        *parts,
    )


def data_page() -> str:
    def row(column: tables.Column) -> tuple[str, ...]:
        return code(column.name), code(column.dtype), column.meaning

    parts = [
        f"## {name}\n\n{DATA[name]}\n\n" + table(("column", "type", "meaning"), map(row, columns))
        for name, columns in tables.TABLES.items()
    ]
    formats = [(code(made.name), code(made.suffix), EXPORTS[made.name]) for made in exports.FORMATS]
    return page(
        "Tables of a run's data",
        "jupyter_aicci/client/tables.py",
        "`run.metrics()`, `run.phases()` and `run.costs()` are pandas frames with these columns, in this order, of these types.\n"
        "CSV and Parquet files have the same columns; times are ISO 8601 in CSV.\n"
        "Times are UTC to the nanosecond, amounts whole millionths of the currency, and what nobody knows is missing, never 0.",
        *parts,
        "## Files\n\nWhat `aicci timeline RUN --export FORMAT FILE` and `run.save(FILE)` write.\n\n"
        + table(("format", "ending", "what it is"), formats),
    )


DATA = {
    "metrics": "One row for each reading and each logged value; nothing is thinned.\n"
    "Of a run of more than 64 ranks the samples of quiet times go after two hours "
    "([Processes, files and wires](../explanation/processes-and-files.md)).",
    "phases": "What each rank did, when.\n"
    "Outside of steps a row is the phase that the rank told; of a step there is a row for each of its phases.\n"
    "`duration_ns` of a rank sums to the time for which its node was held, phase by phase as in the bill.\n"
    "Of a run of more than 400,000 records of steps the older neighbours are one row; sums stay exact.",
    "costs": "The bill by node, rank and phase.\n`amount_micro` sums to what `aicci cost RUN` says, corrections included.",
}
EXPORTS = {
    "perfetto": "a trace for [ui.perfetto.dev](https://ui.perfetto.dev) and the trace processor: "
    "nodes, ranks, steps with their phases, metrics as counters, findings",
    "csv": "the three tables as three files beside each other: `run.metrics.csv`, `run.phases.csv`, `run.costs.csv`",
    "parquet": 'the same as Parquet; needs `pip install "jupyter-aicci[parquet]"`',
    "png": "the picture",
    "html": "the timeline as one page that opens offline",
    "recorded": "the run as JupyterLab, Notebook 7 and JupyterLite show it, without a server "
    "([Show a run without a server](../how-to/show-a-run-without-a-server.md))",
}
