"""Draws docs/images/run.png, the README's picture, from a real run of digits_jax.py on two nodes of this machine.

`python examples/make_picture.py`. The run has a home of its own that goes away afterwards, and a price for its bill.
"""

import os
import tempfile
from pathlib import Path

from jupyter_aicci.client import Client, Program
from jupyter_aicci.model.spec import parse_spec
from jupyter_aicci.timeline.summary import summary_text

HERE = Path(__file__).resolve().parent
PICTURE = HERE.parent / "docs" / "images" / "run.png"
PRICES = '[prices]\ncurrency = "USD"\n"*" = "0.36"\n'

with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    os.environ |= {"AICCI_HOME": f"{folder}/home", "AICCI_RUNTIME": f"{folder}/run"}
    Path(folder, "home").mkdir()
    Path(folder, "home", "config.toml").write_text(PRICES)
    client = Client()
    try:
        client.submit(parse_spec({"framework": "jax"}), Program(text="")).wait()  # from here on starts are warm
        spec = parse_spec({"nodes": 2, "name": "digits-jax", "framework": "jax", "source": "digits_jax.py"})
        program = Program(text=(HERE / "digits_jax.py").read_text(), source="digits_jax.py")
        run = client.submit(spec, program)
        run.wait()
        print(summary_text(run.view()))
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_bytes(run.picture())
    finally:
        client.shutdown()
