"""A trace played through the scheduler: published figures, the rules of the loop, and what a policy may know."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.ids import RunId
from jupyter_aicci.scheduler import (
    POLICIES,
    Cluster,
    Decisions,
    Queues,
    Running,
    Runs,
    Waiting,
    cluster_of,
    decide,
    parse_queues,
    policy_named,
    runs_of,
)
from jupyter_aicci.scheduler.policies import DEFAULT_POLICY, Placing
from jupyter_aicci.scheduler.topology import parse_topology
from jupyter_aicci.traces.gangs import flat_hosts, gangs
from jupyter_aicci.traces.progress import FreeRestarts
from jupyter_aicci.traces.replay import KNOWING, Options, Replay, replay_trace
from jupyter_aicci.traces.simulate import Stage, simulate
from jupyter_aicci.traces.trace import Trace, parse_trace

MURI = Path(__file__).resolve().parents[2] / "benchmarks" / "traces" / "muri"
S = 1_000_000_000
HEAD = "id,submit_s,duration_s,nodes,gpus_per_node"


def a_trace(*rows: str, head: str = HEAD) -> Trace:
    """Jobs in our own columns."""
    return parse_trace("\n".join([head, *rows]) + "\n", "csv", "t.csv")


def starts_s(played: Replay) -> list[float]:
    """When each job first ran."""
    return (played.played.start_ns / S).tolist()


@pytest.mark.parametrize(
    ("name", "policy", "mean_s", "makespan_s", "p99_s"),
    [
        ("trace3", "srtf", "193081.796", "8174135.28", "4538890.6074"),
        ("trace3", "srsf", "185021.8802", "8174135.28", "4189699.1768"),
        ("trace3", "las", "347213.2481", "8174226.28", "4983397.254"),
        ("trace1", "srtf", "1370603.198", "26045465.5329", "16647148.0907"),
        ("trace1", "las", "3330371.307", "23556410.2174", "14739851.5052"),
        ("trace1_pr", "srsf", "1801859.995", "24272529.5931", "18267307.8112"),
    ],
)
def test_published_figures_come_out_to_the_digit(
    name: str, policy: str, mean_s: str, makespan_s: str, p99_s: str
) -> None:
    """Mean JCT is the value behind Muri's figures 9 and 10; makespan and p99 are those of the same simulator."""
    trace = parse_trace((MURI / f"{name}.csv").read_text("utf-8"), "muri", name)
    summary = replay_trace(trace, Options(policy=policy, nodes=8, restart_costs="muri", forecasts=0)).summary

    found = [
        f"{summary[key]:.{len(text.partition('.')[2])}f}"
        for key, text in (("avg_jct_s", mean_s), ("makespan_s", makespan_s), ("p99_jct_s", p99_s))
    ]
    assert found == [mean_s, makespan_s, p99_s]


def test_jobs_wait_for_those_before_them_and_start_when_these_end() -> None:
    """First come, first served on two hosts of four: the small job behind the big one does not slip past it."""
    trace = a_trace("a,0,100,1,4", "b,10,50,2,4", "c,20,10,1,1")
    played = replay_trace(trace, Options(policy="fifo", nodes=2, gpus=4))

    assert starts_s(played) == [0.0, 100.0, 150.0]
    assert (played.played.end_ns / S).tolist() == [100.0, 150.0, 160.0]
    assert replay_trace(trace, Options(policy="fifo-skip", nodes=2, gpus=4)).played.start_ns[2] == 20 * S


def test_all_that_happens_at_one_moment_is_one_event() -> None:
    """An end and two submissions at second 10 are decided about together."""
    trace = a_trace("a,0,10,1,4", "b,10,5,1,4", "c,10,5,1,4")
    played = replay_trace(trace, Options(policy="fifo", nodes=1, gpus=4)).played

    assert (played.use.time_ns / S).tolist() == [0.0, 10.0, 15.0, 20.0]
    assert played.use.waiting.tolist() == [0, 1, 0, 0]
    assert played.use.held.tolist() == [4, 4, 4, 0]


def test_a_job_that_takes_no_time_ends_where_it_starts() -> None:
    """Its end is an event of its own, and what it held is free for the next."""
    played = replay_trace(a_trace("a,5,0,1,4", "b,5,1,1,4"), Options(policy="fifo", nodes=1, gpus=4)).played

    assert (played.end_ns / S).tolist() == [0.0, 1.0]


def test_a_preempted_job_does_the_rest_later() -> None:
    """The short job takes the long one's place at second 10 and gives it back at second 15."""
    trace = a_trace("long,0,100,1,4", "short,10,5,1,4")
    played = replay_trace(trace, Options(policy="srtf", nodes=1, gpus=4)).played

    assert played.preemptions.tolist() == [1, 0]
    assert (played.end_ns / S).tolist() == [105.0, 15.0]
    assert (played.ran_ns / S).tolist() == [100.0, 5.0]


def test_a_job_that_goes_on_elsewhere_has_not_been_preempted() -> None:
    """The layout is made anew when a ends: b moves to the first host, without a wait, and its work goes on."""
    trace = a_trace("a,0,10,1,4", "b,0,50,1,4", "c,10,5,1,2")
    played = replay_trace(trace, Options(policy="srtf", nodes=2, gpus=4)).played

    assert (played.end_ns / S).tolist() == [10.0, 50.0, 15.0]
    assert played.preemptions.tolist() == [0, 0, 0]


def test_a_topology_file_gives_the_hosts() -> None:
    """Two leaves of one host each; a draining host takes nothing."""
    topology = parse_topology(
        '[[levels]]\nname="leaf"\n[[hosts]]\nnames=["n1"]\npath=["a"]\n'
        '[[hosts]]\nnames=["n2"]\npath=["b"]\nstate="draining"\n',
        "t.toml",
    )
    played = replay_trace(
        a_trace("a,0,10,1,4", "b,0,10,1,4"), Options(policy="fifo", topology=topology, gpus=4, nodes=0)
    )

    assert (played.accelerators, starts_s(played)) == (8, [0.0, 10.0])


def test_conservative_backfill_keeps_what_was_promised_at_submission() -> None:
    """With exact run times nobody starts later than he was told; a gap that opens lets some start earlier."""
    rows = [f"j{i},{i},{5 + 7 * i % 23},{1 + i % 2},{1 + i % 4}" for i in range(30)]
    replayed = replay_trace(a_trace(*rows), Options(policy="conservative", nodes=2, gpus=4))
    told_ns = replayed.played.predicted_ns

    assert np.all(told_ns >= 0)
    assert np.all(replayed.played.start_ns <= told_ns + 1_000)
    assert replayed.summary["forecast"]["bound_kept_ratio"] == 1.0


def test_a_policy_that_knows_no_durations_makes_no_forecast() -> None:
    """Null, rather than a number that means nothing; with limits in the trace it can say something."""
    rows = ("a,0,50,1,4", "b,1,50,1,4", "c,2,50,1,4")
    blind = replay_trace(a_trace(*rows), Options(policy="fifo", nodes=1, gpus=4))
    limited = a_trace(*(f"{row},100" for row in rows), head=HEAD + ",limit_s")
    told = replay_trace(limited, Options(policy="fifo", nodes=1, gpus=4))

    assert set(blind.summary["forecast"].values()) == {None}
    assert told.summary["forecast"]["bound_kept_ratio"] == 1.0
    assert told.summary["forecast"]["median_abs_error_ratio"] > 0.5


@pytest.mark.parametrize("policy", ["", *POLICIES])
def test_durations_are_known_to_those_policies_alone_that_are_made_of_them(policy: str) -> None:
    """No other sees a limit or an expectation, unless a limit stands in the trace."""
    seen: list[tuple[bool, bool]] = []

    def spy(cluster: Cluster, queues: Queues, runs: Runs, now_ns: int) -> Decisions:
        rows = np.concatenate([runs.waiting, runs.running])
        seen.append((bool(np.isfinite(rows["limit_s"]).any()), bool((rows["expected_s"] > 0).any())))
        return decide(cluster, queues, runs, now_ns)

    trace = a_trace("a,0,50,1,4", "b,1,40,1,4", "c,2,30,1,4")
    found = gangs(trace, hosts=1, per_host=4)
    name = policy or DEFAULT_POLICY
    stage = Stage(
        cluster=cluster_of(flat_hosts(1, 4), shapes=found.shapes),
        queues=Queues(policy=policy),
        knows_durations=name in KNOWING,
        decide=spy,
    )
    simulate(trace, found, FreeRestarts(trace.work_ns), stage)
    knows = name in ("sjf", "srtf", "srsf", "easy", "conservative")

    assert set(seen) == {(knows, knows)}

    seen.clear()
    simulate(replace(trace, limit_ns=trace.work_ns * 2), found, FreeRestarts(trace.work_ns), stage)

    assert set(seen) == {(True, knows)}


def test_the_gittins_index_learns_from_jobs_that_have_ended_and_from_no_other() -> None:
    """Their sizes in accelerator-seconds, ascending, from the moment at which they end."""
    seen: list[tuple[float, list[float]]] = []

    def spy(cluster: Cluster, queues: Queues, runs: Runs, now_ns: int) -> Decisions:
        seen.append((now_ns / S, runs.history.sizes.tolist()))
        return decide(cluster, queues, runs, now_ns)

    trace = a_trace("a,0,50,1,4", "b,1,10,1,4", "c,2,70,1,4")
    found = gangs(trace, hosts=1, per_host=4)
    stage = Stage(
        cluster=cluster_of(flat_hosts(1, 4), shapes=found.shapes), queues=Queues(policy="fifo"),
        knows_durations=False, learns=True, decide=spy,
    )  # fmt: skip
    simulate(trace, found, FreeRestarts(trace.work_ns), stage)

    assert seen == [(0.0, []), (1.0, []), (2.0, []), (50.0, [200.0]), (60.0, [40.0, 200.0])]


def test_queues_of_the_trace_are_those_of_the_configuration() -> None:
    """A limit of four accelerators holds one queue back while the other runs; an unknown one is the default queue."""
    rows = ("a,0,10,1,4,small", "b,0,10,1,4,small", "c,0,10,1,4,other")
    queues = parse_queues({"small": {"limit": {"accelerator": 4}}}, "config.toml")
    trace = a_trace(*rows, head=HEAD + ",queue")

    assert starts_s(replay_trace(trace, Options(policy="fifo-skip", nodes=2, gpus=4, queues=queues))) == [
        0.0,
        10.0,
        0.0,
    ]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (Options(policy="srft", nodes=1), "unknown_policy"),
        (Options(placement="bets", nodes=1), "unknown_placement"),
        (Options(placement="random", nodes=1), "unknown_placement"),
        (Options(restart_costs="mury", nodes=1), "unknown_restart_costs"),
        (Options(nodes=0), "bad_cluster"),
        (Options(nodes=1, gpus=2), "bad_trace"),
    ],
)
def test_what_cannot_be_played_is_refused_before_it_begins(options: Options, code: str) -> None:
    """Each with a code of its own."""
    with pytest.raises(UserError) as caught:
        replay_trace(a_trace("a,0,1,1,4"), options)

    assert caught.value.code == code


JOBS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 60), st.integers(1, 3), st.sampled_from([1, 2, 3, 4])),
    min_size=1,
    max_size=14,
)


@settings(max_examples=25, deadline=None)
@given(jobs=JOBS, policy=st.sampled_from(sorted(POLICIES)))
def test_every_job_does_its_work_and_nothing_is_held_twice(jobs: list[tuple[int, int, int, int]], policy: str) -> None:
    """Whatever the trace and the policy: each job ends, has run exactly its work, and the cluster never lends more than it has."""
    rows = [f"j{i},{at},{lasts},{nodes},{per}" for i, (at, lasts, nodes, per) in enumerate(sorted(jobs))]
    trace = a_trace(*rows)
    played = replay_trace(trace, Options(policy=policy, nodes=3, gpus=4, forecasts=3)).played

    assert np.array_equal(played.ran_ns, trace.work_ns)
    assert np.all(played.start_ns >= trace.submit_ns)
    assert np.all(played.end_ns >= played.start_ns + trace.work_ns)
    assert np.all((played.use.held >= 0) & (played.use.held <= 12))
    assert (played.use.held[-1], played.use.waiting[-1], played.use.waiting_units[-1]) == (0, 0, 0)


@settings(max_examples=25, deadline=None)
@given(jobs=JOBS, policy=st.sampled_from(sorted(POLICIES)))
def test_the_replay_asks_what_a_service_would_ask(jobs: list[tuple[int, int, int, int]], policy: str) -> None:
    """Runs and cluster that grew event by event decide as those that are put together anew from records each time."""
    rows = [f"j{i},{at},{lasts},{nodes},{per}" for i, (at, lasts, nodes, per) in enumerate(sorted(jobs))]
    trace = a_trace(*rows)
    found = gangs(trace, hosts=3, per_host=4)
    pool = policy_named(policy).placing is Placing.POOL  # such a policy counts only, and is given one host (replay.py)
    empty = cluster_of(flat_hosts(1, 12) if pool else flat_hosts(3, 4), shapes=found.shapes)
    service = _Service(empty)
    stage = Stage(cluster=empty, queues=Queues(policy=policy), knows_durations=policy in KNOWING, decide=service.decide)

    simulate(trace, found, FreeRestarts(trace.work_ns), stage)

    assert service.asked > 0


class _Service:
    """A `decide` that answers as a service would: from records of the runs, with nothing kept between two questions."""

    def __init__(self, empty: Cluster) -> None:
        self._empty, self.asked = empty, 0

    def decide(self, cluster: Cluster, queues: Queues, runs: Runs, now_ns: int) -> Decisions:
        grown = decide(cluster, queues, runs, now_ns)
        waiting = [_record(runs, run_id, row) for run_id, row in zip(runs.waiting_ids, runs.waiting, strict=True)]
        held = zip(runs.running_ids, runs.running, runs.placements, strict=True)
        running = [
            Running(
                run=_record(runs, run_id, row), placement=placement, started_ns=round(row["started_s"] * S),
                checkpoint_ns=round(row["checkpoint_s"] * S), preemptible=True, turn=int(row["turn"]),
            )
            for run_id, row, placement in held
        ]  # fmt: skip
        cluster = self._empty.without(runs.placements)
        fresh = runs_of(reversed(waiting), list(reversed(running))).promised(runs.promises)
        assert decide(cluster, queues, fresh, now_ns) == grown
        self.asked += 1
        return grown


def _record(runs: Runs, run_id: RunId, row: np.void) -> Waiting:
    """What the row of a run stands for."""
    return Waiting(
        run_id=run_id,
        **asdict(runs.kinds[row["kind"]]),
        queue=runs.queues[row["queue"]],
        user=runs.users[row["user"]],
        priority=int(row["priority"]),
        submitted_ns=round(row["submitted_s"] * S),
        wait_since_ns=round(row["wait_since_s"] * S),
        limit_s=float(row["limit_s"]) if np.isfinite(row["limit_s"]) else 0.0,
        expected_s=float(row["expected_s"]) if row["expected_s"] > 0 else 0.0,
        attained_s=float(row["attained_s"]),
        ran_s=float(row["ran_s"]),
        turn=int(row["turn"]),
    )
