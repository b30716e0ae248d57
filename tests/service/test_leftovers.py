"""A service that starts clears what killed clients and services left half done, and nothing else."""

from __future__ import annotations

import os
import subprocess

from jupyter_aicci.model.ids import RunId
from jupyter_aicci.service.leftovers import clear
from jupyter_aicci.store.paths import Home, prepare


def test_what_a_dead_client_was_building_goes_and_a_living_ones_stays() -> None:
    """The folder's name has the client's pid."""
    home = Home.from_environment(os.environ)
    prepare(home)
    dead = subprocess.Popen(["true"])
    dead.wait()
    for name in (f".r0000001.{dead.pid}.tmp", f".r0000002.{os.getpid()}.tmp"):
        (home.runs_dir / name / "src").mkdir(parents=True)
    clear(home, ())
    assert [path.name for path in home.runs_dir.iterdir()] == [f".r0000002.{os.getpid()}.tmp"]


def test_secrets_of_a_submit_that_was_never_recorded_go_and_its_program_stays() -> None:
    """Its client may send it again, with the secrets; those of a known run are still needed."""
    home, known, unknown = Home.from_environment(os.environ), RunId("r0000001"), RunId("r0000002")
    prepare(home)
    for run_id in (known, unknown):
        home.src_dir(run_id).mkdir(parents=True)
        home.secrets_json(run_id).write_text("{}")
    clear(home, {known})
    assert home.secrets_json(known).exists()
    assert not home.secrets_json(unknown).exists()
    assert home.src_dir(unknown).is_dir()
