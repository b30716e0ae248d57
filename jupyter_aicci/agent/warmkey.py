"""Which zygote a launch may be forked from: the key of an interpreter, its packages, and what libraries read at import.

    key(python, framework, env, runtime_dir) -> "torch-5f0c…"    equal only while a fork and a cold start would import the same

In: what the plan says and the disk. It is computed at every launch (under 1 ms) and by the zygote before every fork, so that a
package that was installed, removed or touched a moment ago is never missed.
Rule: a variable that a library reads while it is imported belongs to the key, and the zygote is started with it; who the rank is
and how many threads it may use do not, they are set in the rank.
"""

from __future__ import annotations

import hashlib
import json
import os

from .files import read_json, write_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

AT_IMPORT = (
    "LD_", "GLIBC_", "MALLOC_", "OMP_", "KMP_", "MKL_", "OPENBLAS_", "GOTO_", "BLIS_", "NPY_", "NUMPY_", "NUMEXPR_", "TORCH_",
    "TORCHINDUCTOR_", "PYTORCH_", "JAX_", "XLA_", "TF_", "PYTHON",
)  # fmt: skip
NOT_AT_IMPORT = frozenset({
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "PYTHONUNBUFFERED", "PYTHONSTARTUP",
    "JAX_COORDINATOR_ADDRESS", "JAX_COORDINATOR_BIND_ADDRESS", "JAX_LOCAL_DEVICE_IDS", "TF_CONFIG",
    "TORCH_NCCL_ASYNC_ERROR_HANDLING",
})  # fmt: skip
CODE = os.path.dirname(
    os.path.dirname(os.path.abspath(__file__))
)  # the zipapp is named by its content: no upgrade forks old code
PACKAGES = (".dist-info", ".egg-info", ".pth", ".egg-link")
PROBE_S = 30.0
PROBE = "import json,sys;print(json.dumps({'version':sys.version,'prefix':sys.prefix,'path':sys.path[1:]}))"


def key(python: str, framework: str, env: dict[str, str], runtime_dir: str) -> str:
    """The key of an interpreter, a framework and the variables that count; the framework stands first, for people.

    Raises `OSError` where the interpreter does not run.
    """
    known = interpreter(python, env, runtime_dir)
    parts = [
        CODE,
        python,
        framework,
        sorted(env.items()),
        known["version"],
        known["prefix"],
        fingerprint(known["path"]),
    ]
    return f"{framework}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]}"


def package() -> str:
    """The zipapp or directory that this very code was started from; Python can execute it by path."""
    here = os.path.dirname(os.path.abspath(__file__))  # …/agent.pyz/aicci_agent, or …/jupyter_aicci/agent
    above = os.path.dirname(here)
    return above if os.path.isfile(above) else here


def at_import(env: dict[str, str]) -> dict[str, str]:
    """The variables of a rank's environment that libraries read while they are imported."""
    return {name: value for name, value in env.items() if name.startswith(AT_IMPORT) and name not in NOT_AT_IMPORT}


def interpreter(python: str, env: dict[str, str], runtime_dir: str) -> dict[str, Any]:
    """`version`, `prefix` and `path` (sys.path) of an interpreter; asked once, then read from the runtime directory."""
    real = os.stat(python)
    venv = os.path.join(os.path.dirname(os.path.dirname(python)), "pyvenv.cfg")
    marks = [
        python,
        os.path.realpath(python),
        real.st_mtime_ns,
        real.st_size,
        _mtime_ns(venv),
        env.get("PYTHONPATH", ""),
    ]
    marks += [env.get(name, "") for name in ("PYTHONHOME", "PYTHONNOUSERSITE", "PYTHONUSERBASE")]
    name = f"interpreter-{hashlib.sha256(json.dumps(marks).encode()).hexdigest()[:16]}.json"
    known = read_json(os.path.join(runtime_dir, name))
    if known is None:
        known = _ask(python, env)
        write_json(os.path.join(runtime_dir, name), known)
    return known


def _ask(python: str, env: dict[str, str]) -> dict[str, Any]:
    import subprocess  # only where the interpreter was never seen before

    surroundings = {name: value for name, value in os.environ.items() if not name.startswith(AT_IMPORT)}
    try:
        out = subprocess.run(
            [python, "-c", PROBE],
            env={**surroundings, **env},
            cwd="/",
            capture_output=True,
            timeout=PROBE_S,
            check=True,
        ).stdout
        answer: dict[str, Any] = json.loads(out.splitlines()[-1])
    except (subprocess.SubprocessError, ValueError, IndexError) as error:
        raise OSError(f"{python} does not run: {error}") from error
    return answer


def fingerprint(path: list[str]) -> str:
    """What is installed in the directories of `sys.path`: all names, and name, time and size of what installers write.

    The names of all entries stand for the directory's own time, which the first import changes by making __pycache__.
    """
    digest = hashlib.sha256()
    for folder in path:
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            digest.update(f"{folder} {_mtime_ns(folder)}\n".encode())  # a zip, or nothing
            continue
        digest.update(f"{folder}\n".encode())
        for entry in entries:
            if entry.name == "__pycache__":
                continue
            digest.update(entry.name.encode("utf-8", "surrogateescape") + b"\n")
            if entry.name.endswith(PACKAGES):
                digest.update(_state(entry))
    return digest.hexdigest()


def _state(entry: os.DirEntry[str]) -> bytes:
    try:
        state = entry.stat()
    except OSError:
        return b"gone\n"
    return f"{state.st_mtime_ns} {state.st_size}\n".encode()


def _mtime_ns(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
