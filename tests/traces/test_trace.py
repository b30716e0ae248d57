"""Three formats become one kind of columns; what does not is refused whole."""

from __future__ import annotations

import numpy as np
import pytest

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.traces.trace import Trace, parse_trace

S = 1_000_000_000
MURI = "job_id,num_gpu,submit_time,iterations,model_name,batch_size,duration,interval,iteration_time\n"
CSV = "id,submit_s,duration_s,nodes,gpus_per_node"


def columns(trace: Trace) -> dict[str, list[object]]:
    """The columns that differ from format to format, as lists."""
    named = {name: getattr(trace, name) for name in ("submit_ns", "work_ns", "gpus", "nodes", "limit_ns", "priority")}
    return {name: values.tolist() for name, values in named.items()}


def test_muri_counts_milliseconds_and_works_iterations_by_their_time() -> None:
    """`duration` is the rounded product; zero is the file's own."""
    trace = parse_trace(MURI + "0,4,2000,10,vgg16,16,5100,0,511\n1,16,3000,20,bert,4,4000,0,200\n", "muri", "m.csv")

    assert trace.ids == ("0", "1")
    assert trace.model == ("vgg16", "bert")
    assert columns(trace) == {
        "submit_ns": [2 * S, 3 * S],
        "work_ns": [5_110_000_000, 4 * S],
        "gpus": [4, 16],
        "nodes": [0, 0],
        "limit_ns": [0, 0],
        "priority": [0, 0],
    }


def test_philly_is_put_in_order_and_begins_at_its_first_submission() -> None:
    """Its file is in no order; a job is called by its row; the virtual cluster is its queue."""
    text = (
        "timestamp,duration,num_gpus,gpu_time,cluster\n"
        "2017-10-09 07:00:10,66.5,1,66.5,b\n2017-10-09 07:00:00,10.0,8,80.0,a\n2017-10-09 07:00:10,1.0,2,2.0,a\n\n"
    )
    trace = parse_trace(text, "philly", "p.csv")

    assert (trace.ids, trace.queue) == (("3", "2", "4"), ("a", "b", "a"))
    assert trace.submit_ns.tolist() == [0, 10 * S, 10 * S]
    assert trace.work_ns.tolist() == [10 * S, 66_500_000_000, S]
    assert trace.gpus.tolist() == [8, 1, 2]


def test_csv_takes_all_that_the_scheduler_knows() -> None:
    """A limit stops a job that would run longer; zero is the first submission."""
    text = f"{CSV},queue,user,limit_s,priority,note\na,100,60,2,4,research,ana,30,1,mine\nb,100.25,60,1,8,,bo,,,\n"
    trace = parse_trace(text, "csv", "c.csv")

    assert (trace.ids, trace.queue, trace.user) == (("a", "b"), ("research", ""), ("ana", "bo"))
    assert columns(trace) == {
        "submit_ns": [0, S // 4],
        "work_ns": [30 * S, 60 * S],
        "gpus": [8, 8],
        "nodes": [2, 1],
        "limit_ns": [30 * S, 0],
        "priority": [1, 0],
    }


@pytest.mark.parametrize(
    ("format", "text", "says"),
    [
        ("muri", "job_id,num_gpu\n0,1\n", "row 1: column submit_time is missing"),
        ("muri", MURI + "0,1,5,1,bert,1,1,0,1\n1,1,4,1,bert,1,1,0,1\n", "row 3, submit_time: '4' is earlier than '5'"),
        ("muri", MURI + "0,1,0,1,bert,1,-7,0,1\n", "row 2, duration: '-7', expected 0 to"),
        ("muri", MURI + "0,1,0,-1,bert,1,7,0,1\n", "row 2, iterations: '-1', expected 0 to"),
        ("muri", MURI + "0,0,0,1,bert,1,7,0,1\n", "row 2, num_gpu: '0', expected 1 to"),
        ("muri", MURI + "0,1,0,1000000000,bert,1,7,0,1000000000\n", "row 2, iterations: '1000000000', times iteration"),
        ("muri", MURI + "0,1,0,1,bert,1,1,0,1\n0,1,0,1,bert,1,1,0,1\n", "row 3, job_id: '0' is taken by row 2"),
        ("philly", "timestamp,duration,num_gpus,cluster\nnever,1,1,a\n", "row 2, timestamp: 'never', expected a date"),
        ("philly", "timestamp,duration,num_gpus,cluster\n2017-01-01,-1,1,a\n", "row 2, duration: '-1', expected 0"),
        ("csv", f"{CSV}\na,0,nan,1,1\n", "row 2, duration_s: 'nan', expected 0 to"),
        ("csv", f"{CSV}\na,0,1e300,1,1\n", "row 2, duration_s: '1e300', expected 0 to"),
        ("csv", f"{CSV}\na,5,1,1,1\nb,4,1,1,1\n", "row 3, submit_s: '4' is earlier than '5'"),
        ("csv", f"{CSV},limits_s\na,5,1,1,1,9\n", "row 1: column limits_s is unknown (did you mean limit_s?)"),
        ("csv", "", "no rows"),
    ],
)
def test_bad_rows_are_told_and_nothing_is_loaded(format: str, text: str, says: str) -> None:
    """File, row and field of each defect."""
    with pytest.raises(UserError) as caught:
        parse_trace(text, format, "f.csv")

    assert caught.value.code == "bad_trace"
    assert f"f.csv: {says}" in caught.value.message
    assert caught.value.message.endswith("Nothing was loaded.")


def test_an_unknown_format_names_the_nearest() -> None:
    """Formats are a closed set."""
    with pytest.raises(UserError) as caught:
        parse_trace("", "phily", "f.csv")

    assert (caught.value.code, caught.value.field) == ("unknown_format", "format")
    assert caught.value.message == "trace format 'phily' is not known: did you mean philly?"


def test_one_queue_of_a_trace_begins_at_its_own_first_submission() -> None:
    """A virtual cluster is a partition of its own."""
    trace = parse_trace(f"{CSV},queue\na,0,1,1,1,x\nb,5,2,1,1,y\nc,7,3,1,1,y\n", "csv", "c.csv").of_queue("y")

    assert (trace.ids, trace.submit_ns.tolist(), trace.work_ns.tolist()) == (("b", "c"), [0, 2 * S], [2 * S, 3 * S])
    assert np.array_equal(trace.rows, [3, 4])
