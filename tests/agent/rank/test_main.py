"""A rank as a real process: the program as `__main__`, exit codes, records, values, clean ends."""

import os
import signal
import sys

import cloudpickle
import pytest
from agent.rank.rank_builders import a_gang, forked

from jupyter_aicci.agent.files import read_json
from jupyter_aicci.agent.values import load_value


def test_the_cell_is_a_main_module_with_a_file(tmp_path):
    """`__name__`, `__file__`, argv, the source directory first on the path, `aicci` without an import."""
    gang = a_gang(
        tmp_path,
        """
        import os, sys
        print(__name__, os.path.basename(__file__), sys.argv[1:], os.path.basename(sys.path[0]))
        assert sys.modules["__main__"].aicci is aicci
        assert sys.stdin.read() == ""
        """,
        argv=["--epochs", "3"],
    )
    assert gang.run() == [0]
    assert gang.log() == "__main__ cell.py ['--epochs', '3'] src\n"
    assert [frame["phase"] for frame in gang.frames("phase")] == ["starting", "done"]
    end = read_json(gang.path("end"))
    assert end is not None
    assert end["code"] == 0


def test_an_exception_is_recorded_and_printed_with_lines_of_the_cell(tmp_path):
    """The record of the contract, and a log in which no frame of ours and no path of `src` stands."""
    gang = a_gang(
        tmp_path,
        """\
        def ratio(y):
            return y["a"] + 1 / 0

        aicci.log(step=4, loss=1.0)
        ratio({"a": 1})
        """,
    )
    assert gang.run() == [1]
    assert gang.log() == (
        "Traceback (most recent call last):\n"
        "  Cell In[7], line 6, in <module>\n"
        '    ratio({"a": 1})\n'
        "  Cell In[7], line 3, in ratio\n"
        '    return y["a"] + 1 / 0\n'
        "                    ~~^~~\n"
        "ZeroDivisionError: division by zero\n"
    )
    error = gang.error()
    assert error.pop("t_ns") > 0
    assert error == {
        "type": "ZeroDivisionError", "message": "division by zero", "traceback": gang.log(), "line": 3,
        "cell_line": '    return y["a"] + 1 / 0', "where": "Cell In[7], line 3", "secondary": False, "infra": False, "reason": "",
        "frames": [["cell.py", 6, "<module>"], ["cell.py", 3, "ratio"]], "step": 4,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("last_line", "code", "kind"),
    [
        ("sys.exit()", 0, None),
        ("sys.exit(3)", 3, "SystemExit"),
        ("sys.exit('no data')", 1, "SystemExit"),
        ("raise KeyboardInterrupt", 130, "KeyboardInterrupt"),
        ("os._exit(7)", 7, None),
        ("raise aicci.Stop", 0, None),
        ("os.kill(os.getpid(), signal.SIGKILL)", -9, None),
    ],
)
def test_exit_codes_are_pythons_own(tmp_path, last_line, code, kind):
    """What a shell would see of the same program; a record only where an exception ended it."""
    gang = a_gang(tmp_path, f"import os, signal, sys\n{last_line}\n")
    assert gang.run() == [code]
    record = read_json(gang.path("error"))
    assert (record and record["type"]) == kind
    if kind:
        assert record["where"] == "Cell In[7], line 3"


def test_exit_functions_threads_and_buffers_end_as_in_python(tmp_path):
    """A thread that is no daemon is waited for, exit functions run last registered first, everything printed is in the log."""
    gang = a_gang(
        tmp_path,
        """
        import atexit, sys, threading
        atexit.register(print, "first registered")
        atexit.register(print, "last registered")
        go = threading.Event()
        threading.Thread(target=lambda: (go.wait(), print("thread"))).start()
        go.set()
        sys.stdout.write("no newline")
        print("", flush=False)
        print("error stream", file=sys.stderr)
        """,
    )
    assert gang.run() == [0]
    lines = gang.log().splitlines()
    assert sorted(lines[:3]) == ["error stream", "no newline", "thread"]
    assert lines[3:] == ["last registered", "first registered"]


def test_a_fork_inherits_no_exit_function_and_no_random_state(tmp_path):
    """What the zygote registered runs in no rank; two ranks draw different numbers."""
    cell = """
        import random, weakref
        import numpy as np
        class Thing: pass
        thing = Thing()
        weakref.finalize(thing, print, "own finalizer")
        drawn = (random.random(), float(np.random.random()))
        """
    ancestor = """
import atexit, logging, numpy.random, weakref
atexit.register(print, "the ancestor's")
class Thing: pass
thing = Thing()
weakref.finalize(thing, print, "the ancestor's finalizer")
numpy.random.seed(1)
"""
    drawn = []
    for name in ("a", "b"):
        gang = a_gang(tmp_path / name, cell, pull=["drawn"], env={"OPENBLAS_NUM_THREADS": "1"})
        gang.python = forked(ancestor)
        assert gang.run() == [0], gang.log()
        assert gang.log() == "own finalizer\n"
        drawn += load_value(tmp_path / name / "results", "drawn")
    assert len(set(drawn)) == 4


def test_every_start_method_of_multiprocessing_works_and_workers_know_aicci(tmp_path):
    """fork, forkserver and spawn pickle functions of the cell by its file; the guard keeps workers from training again."""
    gang = a_gang(
        tmp_path,
        """
        import multiprocessing
        import aicci

        def squared(x):
            aicci.log(noise=1.0)
            return x * x + aicci.world_size

        if __name__ == "__main__":
            for method in ("fork", "forkserver", "spawn"):
                with multiprocessing.get_context(method).Pool(2) as pool:
                    print(method, pool.map(squared, range(3)))
        """,
    )
    assert gang.run() == [0], gang.log()
    assert gang.log() == "fork [1, 2, 5]\nforkserver [1, 2, 5]\nspawn [1, 2, 5]\n"
    assert gang.frames("log") == []  # what a worker logs is nobody's curve


def test_a_child_forked_by_hand_leaves_no_record_of_the_rank(tmp_path):
    """It comes back up into the runner; that is not the rank's end."""
    gang = a_gang(
        tmp_path,
        """
        import os, sys
        pid = os.fork()
        if pid == 0:
            sys.exit(5)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        aicci.log(loss=1.0)
        """,
        pull=["pid"],
    )
    assert gang.run() == [0]
    assert gang.log() == "5\n"
    assert not gang.path("error").exists()
    assert len(gang.frames("phase")) == 3


def test_pushed_values_are_there_and_pulled_ones_come_back(tmp_path):
    """A notebook's value and function in, what rank 0 bound out; what is missing or cannot be pickled is said and fails nothing."""
    (tmp_path / "push").mkdir(parents=True)
    rate = 0.5
    values = {"cfg": {"lr": rate}, "halve": lambda x: x * rate}
    for name, value in values.items():
        (tmp_path / "push" / f"{name}.pkl").write_bytes(cloudpickle.dumps(value, protocol=5))
    gang = a_gang(
        tmp_path,
        """
        import threading
        class Result:
            def __init__(self, value): self.value = value
        result, lock = Result(halve(cfg["lr"])), {"inner": [threading.Lock()]}
        """,
        push=list(values), pull=["result", "lock", "nothing"],
    )  # fmt: skip
    assert gang.run() == [0]
    assert load_value(tmp_path / "results", "result").value == 0.25
    assert "lock['inner'][0]: cannot pickle '_thread.lock' object" in gang.log()
    assert "the program never bound nothing at its top level" in gang.log()


def test_a_pushed_value_that_cannot_be_made_again_names_itself(tmp_path):
    """A class of a module that the ranks do not have."""
    (tmp_path / "push").mkdir(parents=True)
    (tmp_path / "push" / "cfg.pkl").write_bytes(b"cnot_a_module\nThing\n.")
    gang = a_gang(tmp_path, "print('never')", push=["cfg"])
    assert gang.run() == [1]
    assert gang.error()["type"] == "PushError"
    assert "--push cfg: the ranks' Python" in gang.error()["message"]
    assert "not_a_module" in gang.error()["message"]
    assert "never" not in gang.log()


def test_sigusr2_appends_the_stacks_of_all_threads(tmp_path):
    """What the agent reads when nothing moves any more."""
    gang = a_gang(
        tmp_path,
        """
        import time
        def stuck_here():
            print("stuck", flush=True)
            while not __import__("os").path.getsize(STACKS): time.sleep(0.01)
        STACKS = __import__("os").environ["AICCI_NODE_DIR"] + "/rank-0.stacks"
        stuck_here()
        """,
    ).start()
    gang.until_logged("stuck")
    gang.processes[0].send_signal(signal.SIGUSR2)
    assert gang.wait() == [0]
    assert "in stuck_here" in gang.path("stacks").read_text()


def test_exit_functions_of_a_failed_rank_cannot_hold_up_its_siblings(tmp_path):
    """A rank that failed gives its exit functions the grace period and no more."""
    gang = a_gang(
        tmp_path,
        """
        import atexit, time
        atexit.register(time.sleep, 1000)
        raise ValueError("mine")
        """,
        grace_s=0.2,
    )
    assert gang.run() == [1]
    assert gang.error()["message"] == "mine"


def test_the_programs_own_excepthook_is_asked(tmp_path):
    """A program that installs one (a logger) gets the exception; the record is written all the same."""
    gang = a_gang(
        tmp_path,
        """
        import sys
        sys.excepthook = lambda kind, error, tb: print("hooked", error)
        raise ValueError("mine")
        """,
    )
    assert gang.run() == [1]
    assert gang.log() == "hooked mine\n"
    assert gang.error()["type"] == "ValueError"


def test_a_script_keeps_its_name_and_its_neighbours(tmp_path):
    """`aicci run train.py`: file names as in the workdir; a syntax error of a neighbour is told with its place."""
    (tmp_path / "src").mkdir(parents=True)
    (tmp_path / "src" / "helper.py").write_text("def broken(:\n    pass\n")
    gang = a_gang(tmp_path, "import helper\n", source="train.py", cell_name="", cell_first_line=1)
    assert gang.run() == [1]
    error = gang.error()
    assert (error["type"], error["where"]) == ("SyntaxError", "helper.py, line 1")
    assert 'File "train.py", line 1, in <module>' in gang.log()
    assert 'File "helper.py", line 1\n' in gang.log()


def test_results_written_under_the_other_package_name_are_read_here(tmp_path):
    """In the zipapp the package is called aicci_agent: pickles must not name it."""
    package = tmp_path / "app" / "aicci_agent"
    package.parent.mkdir()
    import jupyter_aicci.agent as agent

    os.symlink(os.path.dirname(agent.__file__), package)
    gang = a_gang(tmp_path, "import numpy as np\nw = {'a': np.arange(10.0)}\n", pull=["w"])
    start = f"""
import sys
sys.path.insert(0, {str(package.parent)!r})
from aicci_agent.files import read_json
from aicci_agent.rank.main import run_rank
assert "jupyter_aicci" not in sys.modules
run_rank(read_json(sys.argv[1]), int(sys.argv[2]))
"""
    gang.python = (sys.executable, "-c", start)
    assert gang.run() == [0], gang.log()
    assert b"aicci_agent" not in (tmp_path / "results" / "w.pkl").read_bytes()
    assert load_value(tmp_path / "results", "w")["a"].sum() == 45


def test_a_gang_whose_port_is_taken_says_so(tmp_path):
    """EADDRINUSE is what is around the program, not its own error."""
    gang = a_gang(
        tmp_path,
        """
        import socket
        first = socket.create_server(("127.0.0.1", 0))
        socket.create_server(first.getsockname()[:2])
        """,
    )
    assert gang.run() == [1]
    assert {key: gang.error()[key] for key in ("infra", "reason", "secondary")} == {
        "infra": True,
        "reason": "address in use",
        "secondary": False,
    }
