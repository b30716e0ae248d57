"""JAX on two ranks: `aicci.init_jax()`, clean ends, and the right rank named when one fails."""

import os

import pytest
from agent.rank.rank_builders import a_gang, forked

from jupyter_aicci.agent.values import load_value

pytestmark = pytest.mark.jax
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
CELL = """
aicci.init_jax()
import jax, jax.numpy as jnp
from jax.experimental import multihost_utils
for step in range(4):
    {trouble}
    total = multihost_utils.process_allgather(jnp.ones(3) * (aicci.rank + 1)).sum()
    aicci.log(step=step, total=total)
found = {{"total": total, "devices": jax.device_count()}}
"""


@pytest.mark.parametrize("start", ["cold", "forked"])
def test_two_ranks_reduce_and_end_well(tmp_path, start):
    """The coordinator waits for the other, also where the zygote's exit functions are not run."""
    gang = a_gang(tmp_path, CELL.format(trouble="pass"), ranks=2, pull=["found"], env=ONE_THREAD)
    if start == "forked":
        gang.python = ("/usr/bin/env", "OPENBLAS_NUM_THREADS=1", *forked("import numpy, jax, jax.numpy"))
    assert gang.run() == [0, 0], gang.log(0) + gang.log(1)
    assert gang.frames("log", 1)[-1]["values"] == {"total": 9.0}
    found = load_value(tmp_path / "results", "found")
    assert (float(found["total"]), found["devices"]) == (9.0, 2)


@pytest.mark.skipif(os.geteuid() != 0, reason="a name of its own for a process is root's to give")
def test_a_host_whose_own_name_does_not_resolve_is_no_obstacle(tmp_path):
    """JAX's gloo would ask the resolver for it; the ranks meet on the interface that they were given."""
    renamed = "import ctypes, socket\nassert ctypes.CDLL(None).unshare(0x04000000) == 0\nsocket.sethostname('nobody.invalid')\n"
    gang = a_gang(tmp_path, renamed + CELL.format(trouble="pass"), ranks=2, env=ONE_THREAD)
    assert gang.run() == [0, 0], gang.log(0) + gang.log(1)


@pytest.mark.parametrize("failing", [0, 1])
def test_a_rank_that_raises_is_not_held_up_by_jax_at_its_end(tmp_path, failing):
    """Without leaving its gang it would wait minutes at a barrier; the other's error is secondary, or told by its log."""
    from jupyter_aicci.agent.rank.classify import record_from_log

    trouble = f"if step == 2 and aicci.rank == {failing}: raise ValueError('mine')"
    gang = a_gang(tmp_path, CELL.format(trouble=trouble), ranks=2, env=ONE_THREAD)
    codes = gang.run()
    assert codes[failing] == 1
    assert gang.error(failing)["where"] == "Cell In[7], line 7"
    assert not gang.error(failing)["secondary"]
    other = 1 - failing
    assert codes[other] != 0
    error = (
        gang.error(other) if gang.path("error", other).exists() else record_from_log(str(gang.path("log", other)), 1)
    )
    assert error is not None
    assert error["secondary"]
