"""The agent as one file: a zipapp that any Python on this host or in a pod can execute.

In: the package `jupyter_aicci.agent`, and `pynvml` of nvidia-ml-py where that is installed. Out: `agent-<hash>.pyz` in the runtime
directory: `__main__.py`, `aicci_agent/…`, `pynvml.py`.
Rule 1: the name is made from the content, so an upgrade never changes a file that a running agent or zygote imports from.
Rule 2: compiled code lies beside the source, for the interpreter that built it; another one compiles the source itself.
Rule 3: pynvml, which only hosts with NVIDIA's devices import, is compressed; our own code is not, as every agent imports it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import marshal
import sys
import zipfile
from pathlib import Path

from jupyter_aicci.agent.files import write_atomic

PACKAGE, NVML = "aicci_agent", "pynvml"
START = "from aicci_agent.__main__ import main\n\nmain()\n"
UNCHECKED = (1).to_bytes(4, "little")  # PEP 552: found by hash, never compared with the source
ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # equal content gives equal bytes


def agent_zipapp(runtime: Path) -> Path:
    """The path of the zipapp of this very version; built where it is not there yet."""
    files = _files()
    digest = hashlib.sha256(sys.version.encode())
    for name, data in files.items():
        digest.update(name.encode() + b"\0" + hashlib.sha256(data).digest())
    path = runtime / f"agent-{digest.hexdigest()[:16]}.pyz"
    if not path.exists():
        write_atomic(path, _zip(files, path))
    return path


def _files() -> dict[str, bytes]:
    """The sources by their name in the zip."""
    spec = importlib.util.find_spec("jupyter_aicci.agent")
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent
    sources = sorted(path for path in root.rglob("*.py") if "__pycache__" not in path.parts)
    files = {f"{PACKAGE}/{path.relative_to(root).as_posix()}": path.read_bytes() for path in sources}
    nvml = importlib.util.find_spec(NVML)
    if nvml is not None and nvml.origin is not None:
        files[f"{NVML}.py"] = Path(nvml.origin).read_bytes()
    return files


def _zip(files: dict[str, bytes], path: Path) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:  # stored: zlib costs more than reading 200 kB
        for name, data in {"__main__.py": START.encode(), **files}.items():
            how = zipfile.ZIP_DEFLATED if name == f"{NVML}.py" else zipfile.ZIP_STORED
            archive.writestr(zipfile.ZipInfo(name, ZIP_TIME), data, how)
            archive.writestr(zipfile.ZipInfo(name + "c", ZIP_TIME), _compiled(data, f"{path}/{name}"), how)
    return out.getvalue()


def _compiled(source: bytes, name: str) -> bytes:
    """Unchecked hash-based bytecode: valid whatever the times say."""
    code = compile(source, name, "exec", dont_inherit=True)
    return importlib.util.MAGIC_NUMBER + UNCHECKED + importlib.util.source_hash(source) + marshal.dumps(code)
