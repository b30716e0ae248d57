"""config.toml: queues and policy are read whole, or refused with every defect and the nearest word."""

from __future__ import annotations

import subprocess
import sys

import pytest

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.store.config import Config, parse_config
from jupyter_aicci.store.prices import packaged_text


def parsed(text: str) -> Config:
    return parse_config(text, packaged_text("local"), "config.toml")


def test_queues_and_policy_are_read() -> None:
    """`[queues.NAME]` tables and `[scheduler] policy`."""
    text = '[scheduler]\npolicy = "conservative"\n[queues.team]\nweight = 2\nguarantee = { cpu = 4 }\n'
    queues = parsed(text).scheduling.queues()
    assert (queues.policy, queues.names) == ("conservative", ("default", "team"))
    assert queues["team"].guarantee == (("cpu", 4000),)


def test_an_absent_file_is_one_queue_and_the_default_policy() -> None:
    """Nothing has to be set."""
    queues = parsed("").scheduling.queues()
    assert (queues.names, queues.policy) == (("default",), "")


def test_every_defect_is_named_with_the_nearest_word() -> None:
    """One error for all: an unknown table, key, policy and queue key."""
    text = '[quues]\n[local]\ncpu = 2\n[scheduler]\npolice = "x"\npolicy = "eazy"\n'
    with pytest.raises(UserError) as caught:
        parsed(text)
    told = caught.value.message
    assert caught.value.code == "bad_config"
    assert "unknown table [quues] did you mean queues?" in told
    assert "[local] cpu: unknown" in told
    assert "[scheduler] police: unknown; did you mean policy?" in told
    assert "policy 'eazy' is not known: did you mean easy?" in told


def test_a_defect_of_a_queue_is_told_with_its_table() -> None:
    """As `parse_queues` words it, without the file's name twice."""
    with pytest.raises(UserError) as caught:
        parsed("[queues.team]\nwieght = 2\n")
    assert caught.value.message.count("config.toml") == 1
    assert "[queues.team] wieght: unknown key; did you mean weight?" in caught.value.message


def test_a_policy_of_replays_is_not_for_live_runs() -> None:
    """It would throw out runs that have no checkpoint."""
    with pytest.raises(UserError, match="policy 'srtf' is for `aicci replay`"):
        parsed('[scheduler]\npolicy = "srtf"\n')


def test_without_queues_the_scheduler_stays_out() -> None:
    """A service answers before numpy is there."""
    program = """
import sys
from jupyter_aicci.store.config import parse_config
from jupyter_aicci.store.prices import packaged_text
import jupyter_aicci.service.main, jupyter_aicci.engines.local
parse_config("", packaged_text('local'), "config.toml")
print([name for name in ("numpy", "jupyter_aicci.scheduler") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_budget_may_be_written_as_a_number_like_a_price() -> None:
    """With or without a point; no float comes near the amount."""
    found = parsed("[prices]\ncpux2 = 0.31\n[budgets.user.ann]\nday = 20.5\nmonth = 300\n").budgets
    assert [budget.cap_micro for budget in found] == [20_500_000, 300_000_000]
