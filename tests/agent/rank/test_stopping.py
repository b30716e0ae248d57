"""A rank as a real process that is asked to stop: where `Stop` is raised, what is still written, what is recorded."""

import signal

import pytest
from agent.rank.rank_builders import a_gang

from jupyter_aicci.agent.values import load_value


def test_sigterm_raises_stop_at_the_next_log_and_values_are_still_written(tmp_path):
    """143, no error record, what was bound until then comes back."""
    gang = a_gang(
        tmp_path,
        """
        import time
        steps = 0
        while True:
            aicci.log(step=steps, loss=1.0)
            steps += 1
            if steps == 3: print("three steps")
            time.sleep(0.01)
        """,
        pull=["steps"],
    ).start()
    gang.until_logged("three steps")
    gang.processes[0].send_signal(signal.SIGTERM)
    assert gang.wait() == [143]
    assert not gang.path("error").exists()
    assert load_value(tmp_path / "results", "steps") >= 3


def test_a_program_without_a_place_to_stop_is_stopped_where_it_is(tmp_path):
    """Its `finally` runs, and no `except Exception` keeps the stop."""
    gang = a_gang(
        tmp_path,
        """
        import time
        try:
            print("started", flush=True)
            try:
                time.sleep(1000)
            except Exception:
                print("swallowed")
        finally:
            print("cleaned up")
        """,
    ).start()
    gang.until_logged("started")
    gang.processes[0].send_signal(signal.SIGTERM)
    assert gang.wait() == [143]
    assert gang.log() == "started\ncleaned up\n"


@pytest.mark.parametrize("stopped", ["in place", "at a step", "by SIGKILL"])
def test_an_exception_whose_clean_up_is_stopped_is_recorded(tmp_path, stopped):
    """The rank failed by itself; that its clean-up was still going on when the others were stopped does not hide it."""
    gang = a_gang(
        tmp_path,
        f"""
        import time
        if {stopped != "in place"}:
            aicci.step(1)
        try:
            raise ValueError("bad batch")
        finally:
            print("cleans up", flush=True)
            for _ in range(1000):
                time.sleep(0.02)
                if {stopped == "at a step"}:
                    aicci.step(2)
        """,
        cell_name="Cell In[7]",
        cell_first_line=1,
    ).start()
    gang.until_logged("cleans up")
    gang.processes[0].send_signal(signal.SIGTERM)
    if stopped == "by SIGKILL":
        gang.until_there("error")
        gang.processes[0].kill()
    assert gang.wait() == [-9 if stopped == "by SIGKILL" else 143]
    assert (gang.error()["type"], gang.error()["where"]) == ("ValueError", "Cell In[7], line 6")


def test_an_exception_that_was_handled_is_not_recorded(tmp_path):
    """SIGTERM came while the program handled it; it went on and ended at its next step."""
    gang = a_gang(
        tmp_path,
        """
        import time
        aicci.step(1)
        try:
            raise ValueError("handled")
        except ValueError:
            print("handles", flush=True)
            while not aicci.should_stop():
                time.sleep(0.01)
        aicci.step(2)
        """,
    ).start()
    gang.until_logged("handles")
    gang.processes[0].send_signal(signal.SIGTERM)
    assert gang.wait() == [143]
    assert not gang.path("error").exists()


def test_the_second_sigterm_does_not_wait_for_the_next_step(tmp_path):
    """The first one sets the flag that the program may ask for; the second raises in place."""
    gang = a_gang(
        tmp_path,
        """
        import time
        aicci.log(loss=1.0)
        print("in a long step", flush=True)
        until = time.monotonic() + 1000
        told = False
        while time.monotonic() < until:
            if aicci.should_stop() and not told:
                told = True
                print("asked to stop", flush=True)
            time.sleep(0.01)
        """,
    ).start()
    for words in ("in a long step", "asked to stop"):
        gang.until_logged(words)
        gang.processes[0].send_signal(signal.SIGTERM)
    assert gang.wait() == [143]


def test_a_caught_stop_ends_well(tmp_path):
    """A program that cleans up after aicci.Stop and returns has succeeded; its last save is not interrupted again."""
    gang = a_gang(
        tmp_path,
        """
        import time
        try:
            for step in range(100000):
                aicci.log(step=step, loss=1.0)
                if step == 3: print("running", flush=True)
                time.sleep(0.005)
        except aicci.Stop:
            aicci.checkpoint.save({"step": step})
            aicci.log(saved=1)
        """,
    ).start()
    gang.until_logged("running")
    gang.processes[0].send_signal(signal.SIGTERM)
    assert gang.wait() == [0]
    assert gang.frames("log")[-1]["values"] == {"saved": 1}


def test_workers_of_the_program_die_of_sigterm(tmp_path):
    """Pool.terminate() ends its workers with SIGTERM; they must not inherit our patience."""
    gang = a_gang(
        tmp_path,
        """
        import multiprocessing, time
        if __name__ == "__main__":
            pool = multiprocessing.get_context("fork").Pool(2)
            pool.map_async(time.sleep, [1000, 1000])
            pool.terminate()
            pool.join()
            print("terminated")
        """,
    )
    assert gang.run() == [0]
    assert gang.log() == "terminated\n"
