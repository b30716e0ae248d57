"""The `aicci` module of the cell, in real ranks: who they are, what they log, how they reduce, save and go on."""

import signal
import sys

import numpy as np
import pytest
from agent.rank.rank_builders import a_gang

from jupyter_aicci.agent.rank import api
from jupyter_aicci.agent.rank.session import Session
from jupyter_aicci.agent.values import load_value


@pytest.fixture
def session(tmp_path, monkeypatch):
    """A session of this very process, with the module speaking for it."""
    gang = a_gang(tmp_path, "", ranks=1, data={"digits": "/data/digits"}, resume_step=-1)
    made = Session(gang.plan, 0)
    monkeypatch.setattr(api, "_ATTRIBUTES", {})
    monkeypatch.setattr(api, "_session", None)
    monkeypatch.setattr(api, "_star", None)
    api.start(made)
    made.begin()
    made.gang = gang
    return made


def test_every_rank_knows_its_place(tmp_path):
    """Rank, size, local rank, node, attempt, the directory that is kept."""
    gang = a_gang(
        tmp_path,
        """
        me = (aicci.rank, aicci.world_size, aicci.local_rank, aicci.node_rank, aicci.restart)
        (aicci.output / f"rank-{aicci.rank}").write_text(repr(me))
        """,
        ranks=2, attempt=3,
    )  # fmt: skip
    assert gang.run() == [0, 0]
    assert [(tmp_path / "out" / f"rank-{rank}").read_text() for rank in (0, 1)] == [
        "(0, 2, 0, 0, 2)",
        "(1, 2, 1, 0, 2)",
    ]


def test_a_data_set_is_a_path_and_an_unknown_one_names_the_known(session):
    """`aicci.data["x"]` tells what there is and what to type."""
    assert str(api.data["digits"]) == "/data/digits"
    assert list(api.data) == ["digits"]
    with pytest.raises(LookupError, match=r"'images' is not part of this run; it has digits\. Add --data images=PATH"):
        api.data["images"]


def test_an_unknown_name_of_the_module_names_the_known(session):
    """A typo is an AttributeError that helps."""
    with pytest.raises(AttributeError, match=r"module 'aicci' has no attribute 'world'.*world_size"):
        api.__getattr__("world")


class Scalar:
    """As a tensor of one element: it has item()."""

    def item(self):
        return 2.5


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(1, 1), (True, 1), (0.5, 0.5), (np.float32(0.5), 0.5), (np.array([7]), 7), (Scalar(), 2.5), (np.bool_(1), 1)],
)
def test_numbers_of_any_library_are_logged(session, value, wanted):
    """Nothing is imported for it: `.item()` or float()."""
    api.log(step=3, loss=value)
    (frame,) = session.gang.frames("log")
    assert (frame["step"], frame["values"], frame["rank"]) == (3, {"loss": wanted}, 0)


@pytest.mark.parametrize("value", ["1.0", np.zeros(3), None, [1.0], 1j])
def test_what_is_no_number_is_refused_by_its_name(session, value):
    """A curve of strings would be no curve; nothing is logged."""
    with pytest.raises(TypeError, match=r"aicci.log\(loss=…\) takes one number, got"):
        api.log(loss=value)
    assert session.gang.frames("log") == []


def test_not_a_number_is_logged_as_such(session):
    """The moment a loss becomes NaN is worth seeing; a whole number beyond any double is infinite, and breaks no view."""
    api.log(loss=float("nan"), high=float("inf"), huge=-(10**400))
    values = session.gang.frames("log")[0]["values"]
    assert np.isnan(values["loss"])
    assert (values["high"], values["huge"]) == (float("inf"), float("-inf"))


def test_steps_are_one_frame_each_fifty_milliseconds_and_none_is_lost_at_the_end(session):
    """A hundred thousand steps a second do not make as many frames; the last ones are told when something else happens."""
    for step in range(5000):
        api.step(step)
    session.done()
    frames = session.gang.frames("steps")
    records = [record for frame in frames for record in frame["records"]]
    assert sum(record[0] for record in records) == 5000
    assert [record[1] for record in records] == sorted({record[1] for record in records})
    assert (frames[-1]["step"], records[-1][1]) == (4999, 4999)
    assert all(len(frame["records"]) <= 64 for frame in frames)
    apart = (frames[-1]["t"] - frames[0]["t"]) / 50_000_000
    assert len(frames) <= apart + 2 + len(
        session.gang.frames("phase")
    )  # what lasts is told at once, with the steps before it


def test_every_nanosecond_between_start_and_end_of_the_steps_is_in_one_record(session):
    """Frames reach back to one another without a gap: each begins where the one before it ended."""
    for step in range(300):
        with api.span("eval" if step % 3 else "mine"):
            pass
        api.step(step)
    session.done()
    frames = session.gang.frames("steps")
    began_ns = next(frame["t"] for frame in session.gang.frames("phase") if frame["phase"] == "compute")
    for frame in frames:
        assert frame["t"] - sum(sum(record[2:]) for record in frame["records"]) == began_ns
        began_ns = frame["t"]
    assert {name for frame in frames for name in frame["phases"]} == {"compute", "eval", "mine"}


def test_steps_count_by_themselves_and_several_values_of_one_step_are_one_step(session):
    """step() without a number; log(step=) twice for the same."""
    api.step()
    api.step()
    assert session.step == 1
    api.log(step=7, loss=1.0)
    api.log(step=7, accuracy=0.5)
    assert (session.step, session.steps_done) == (7, 8)


def test_the_first_step_or_value_ends_the_start_and_a_span_is_a_phase(session):
    """starting → compute → eval → compute."""
    api.log(loss=1.0)
    with api.span("eval"):
        pass
    api.checkpoint.save({"w": 1})
    phases = [frame["phase"] for frame in session.gang.frames("phase")]
    assert phases == ["starting", "compute", "eval", "compute", "checkpoint", "compute"]


def test_a_stop_is_raised_once_at_the_next_call_after_it_did_its_work(session):
    """The value is logged, the checkpoint saved; the second call is not interrupted again."""
    api.log(loss=1.0)
    session.want_stop()
    assert api.should_stop()
    with pytest.raises(api.Stop):
        api.log(loss=2.0)
    api.checkpoint.save({"w": 1})
    assert [frame["values"]["loss"] for frame in session.gang.frames("log")] == [1.0, 2.0]
    assert not issubclass(api.Stop, Exception)


def test_a_full_disk_loses_neither_frames_nor_the_program(session, monkeypatch, capsys):
    """Told once; what was logged meanwhile is read, in its order, when there is room again."""
    api.log(loss=1.0)

    def full(frame):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(session._spool, "write", full)
        for loss in (2.0, 3.0, 4.0):
            api.log(loss=loss)
    session.say_again()
    api.log(loss=5.0)
    assert capsys.readouterr().err.count("cannot record what it logs") == 1
    assert [frame["values"]["loss"] for frame in session.gang.frames("log")] == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_a_log_that_takes_nothing_does_not_end_the_program(session, monkeypatch):
    """Our own sentences are not worth a training."""

    def full(text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(session._spool, "write", full)
    monkeypatch.setattr(sys.stderr, "write", full)
    api.log(loss=1.0)


def test_allreduce_gives_every_rank_the_same_bits(tmp_path):
    """Sums in rank order, whatever rank comes first; numbers, arrays, means, extremes."""
    gang = a_gang(
        tmp_path,
        """
        import numpy as np
        x = np.random.default_rng(aicci.rank).standard_normal((50, 3)).astype(np.float32)
        found = [aicci.allreduce(x), aicci.allreduce(x, op="mean"), aicci.allreduce(x, op="max"),
                 aicci.allreduce(aicci.rank + 1), aicci.allreduce(2.5, op="min"), aicci.allreduce(np.float64(aicci.rank))]
        np.savez(aicci.output / f"rank-{aicci.rank}.npz", *found)
        """,
        ranks=3,
    )
    assert gang.run() == [0, 0, 0], gang.log(0) + gang.log(1)
    found = [np.load(tmp_path / "out" / f"rank-{rank}.npz") for rank in range(3)]
    own = [np.random.default_rng(rank).standard_normal((50, 3)).astype(np.float32) for rank in range(3)]
    for name in found[0].files:
        assert {one[name].tobytes() for one in found} == {found[0][name].tobytes()}
    assert np.array_equal(found[0]["arr_0"], own[0] + own[1] + own[2])
    assert np.array_equal(found[0]["arr_2"], np.maximum(np.maximum(own[0], own[1]), own[2]))
    assert [float(found[0][f"arr_{place}"]) for place in (3, 4, 5)] == [6.0, 2.5, 3.0]


def test_allreduce_with_different_shapes_is_an_error_on_every_rank(tmp_path):
    """Not a hang, and not a sum of something else."""
    gang = a_gang(tmp_path, "import numpy as np\naicci.allreduce(np.zeros(3 + aicci.rank))\n", ranks=2)
    assert gang.run() == [1, 1]
    for rank in (0, 1):
        assert (
            "rank 1 called it with an array (4,) of <f8, op sum, rank 0 with an array (3,)"
            in gang.error(rank)["message"]
        )


@pytest.mark.parametrize("dying", [0, 1, 2])
def test_a_rank_that_dies_ends_the_allreduce_of_all_others(tmp_path, dying):
    """Their errors are secondary, so that the dead one is named."""
    gang = a_gang(
        tmp_path,
        f"""
        import os, signal
        aicci.allreduce(1)
        if aicci.rank == {dying}: os.kill(os.getpid(), signal.SIGKILL)
        aicci.allreduce(1)
        """,
        ranks=3,
    )
    wanted = [1, 1, 1]
    wanted[dying] = -signal.SIGKILL
    assert gang.run() == wanted
    for rank in {0, 1, 2} - {dying}:
        assert (gang.error(rank)["type"], gang.error(rank)["secondary"]) == ("CollectiveAbort", True)


def test_a_stranger_at_the_door_does_not_disturb(tmp_path):
    """Another process of this host connects first, with nothing to say: only who has the token is a rank."""
    gang = a_gang(
        tmp_path,
        """
        import json, os, socket, time
        place = os.path.join(os.path.dirname(os.environ["AICCI_NODE_DIR"]), "allreduce.json")
        if aicci.rank == 1:
            while not os.path.exists(place): time.sleep(0.01)
            found = json.load(open(place))
            with socket.create_connection((found["address"], found["port"])) as door:
                door.sendall(b"x" * 36)
                assert door.recv(1) == b""
        print(aicci.allreduce(1))
        """,
        ranks=2,
    )
    assert gang.run() == [0, 0], gang.log(0) + gang.log(1)
    assert gang.log(1) == "2.0\n"


def test_a_rank_that_is_held_up_before_it_says_hello_is_let_in(tmp_path):
    """On a busy host a process may stand still for seconds between two lines; only who has begun must go on."""
    gang = a_gang(
        tmp_path,
        """
        import socket, time
        from jupyter_aicci.agent.rank import reduce
        reduce.HELLO_S = 0.1
        connect = socket.create_connection
        def held_up(*args, **options):
            peer = connect(*args, **options)
            time.sleep(0.5)
            return peer
        socket.create_connection = held_up
        print(aicci.allreduce(1))
        """,
        ranks=3,
    )
    assert gang.run() == [0, 0, 0], gang.log(0) + gang.log(1)
    assert gang.log(2) == "3.0\n"


def test_a_rank_that_waits_in_allreduce_leaves_when_it_is_stopped(tmp_path):
    """Also before its partner ever came."""
    gang = a_gang(
        tmp_path,
        """
        if aicci.rank == 0:
            print("waiting", flush=True)
            aicci.allreduce(1)
        else:
            import time
            print("asleep", flush=True)
            time.sleep(1000)
        """,
        ranks=2,
    ).start()
    gang.until_logged("waiting")
    gang.until_logged("asleep", rank=1)
    for process in gang.processes:
        process.send_signal(signal.SIGTERM)
    assert gang.wait() == [143, 143]


TRAINING = """
import numpy as np, os, signal
rng = np.random.default_rng(5)
state = aicci.checkpoint.latest({"step": 0, "w": np.zeros(10), "rng": rng.bit_generator.state, "losses": []})
rng.bit_generator.state = state["rng"]
w, losses = state["w"], state["losses"]
for step in range(state["step"], 60):
    noise = rng.standard_normal(10)
    gradient = aicci.allreduce((aicci.rank + 1) * (w - 1) + noise, op="mean")
    w = w - 0.1 * gradient
    losses = [*losses, float(np.square(w - 1).sum())]
    aicci.log(step=step, loss=losses[-1])
    if os.environ.get("DIE") == f"{aicci.rank}:{step}":
        os.kill(os.getpid(), signal.SIGKILL)
    aicci.checkpoint.save({"step": step + 1, "w": w, "rng": rng.bit_generator.state, "losses": losses})
"""


def test_a_run_with_killed_ranks_has_the_loss_curve_of_the_undisturbed_one(tmp_path):
    """Ranks killed at three steps, each attempt from the newest step that all have: 60 losses, bit for bit."""
    from jupyter_aicci.agent.checkpoints import latest_complete

    calm = a_gang(tmp_path / "calm", TRAINING, ranks=2, pull=["losses"])
    assert calm.run() == [0, 0], calm.log()
    resume, deaths = -1, ["0:7", "1:23", "1:24", ""]
    for attempt, death in enumerate(deaths, 1):
        gang = a_gang(
            tmp_path / "stormy", TRAINING, ranks=2, attempt=attempt, resume_step=resume, pull=["losses"], env={"DIE": death},
        )  # fmt: skip
        codes = gang.run()
        assert (-9 in codes) == bool(death)
        resume = latest_complete(tmp_path / "stormy" / "ckpt", 2)
    losses = [load_value(tmp_path / name / "results", "losses") for name in ("calm", "stormy")]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 60
    assert gang.frames("log")[0]["step"] in (24, 25)  # it did not begin at the beginning


def test_a_checkpoint_takes_its_number_from_step_state_or_count(session):
    """Explicit, then the state's own, then one more; what cannot be a number is said."""
    save, last = api.checkpoint.save, lambda: api.checkpoint._last
    save({"w": 1})
    assert last() == 0
    save({"step": np.int64(12)})
    assert last() == 12
    save([1], step=20)
    save([1])
    assert last() == 21
    with pytest.raises(ValueError, match="checkpoint step -1"):
        save([1], step=-1)
    assert api.checkpoint.latest() == [1]


def test_a_shared_checkpoint_is_written_by_rank_0_alone(tmp_path):
    """All ranks call it; all ranks can read it."""
    gang = a_gang(tmp_path, "aicci.checkpoint.save({'step': 4, 'w': aicci.rank}, shared=True)\n", ranks=2)
    assert gang.run() == [0, 0]
    assert [path.name for path in (tmp_path / "ckpt" / "step-000000004").iterdir()] == ["shared.pkl"]
    again = a_gang(tmp_path, "print(aicci.checkpoint.latest())\n", ranks=2, attempt=2, resume_step=4)
    assert again.run() == [0, 0]
    assert again.log(1) == "{'step': 4, 'w': 0}\n"
