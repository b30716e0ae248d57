"""A cell is understood, or refused with the line that the person sees, before anything is queued."""

from __future__ import annotations

import ast
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.source.program import check_cell, check_script


def refusal(text: str, **kwargs: object) -> UserError:
    with pytest.raises(UserError) as caught:
        check_cell(textwrap.dedent(text), **kwargs)  # type: ignore[arg-type]
    return caught.value


def test_plain_python_is_kept_byte_for_byte() -> None:
    """cell.py holds exactly what was typed below the magic line."""
    text = "import math\n\n\nfor i in range(3):\n    print(f'{i!r:>3} % ?', math.pi)  # !ls %time\n"
    assert check_cell(text).text == text


def test_syntax_error_names_the_cell_line_with_a_caret() -> None:
    """The magic line is line 1, so the body's second line is line 3; the caret stands under the place."""
    error = refusal("x = 1\nfor i in range(3)\n    pass\n")
    assert error.code == "syntax_error"
    first, source, caret = error.message.splitlines()
    assert "line 3 of the cell" in first
    assert "Nothing was submitted" in first
    assert source == "    3 | for i in range(3)"
    assert caret.index("^") == source.index(")") + 1


def test_return_outside_a_function_is_refused_as_the_compiler_would() -> None:
    """Errors that only the compiler sees are found too."""
    error = refusal("x = 1\n\nreturn x\n")
    assert error.code == "syntax_error"
    assert "line 4 of the cell" in error.message


@pytest.mark.parametrize(
    "line",
    [
        "!pip install torch",
        "%pip install torch",
        "!python -m pip install -U x",
        "!uv pip install x",
        "%conda install -y x",
        "!pip3 -q install x",
        "!uv add x",
    ],
)
def test_installing_inside_the_cell_is_refused_with_where_to_do_it(line: str) -> None:
    """`!pip install` would install on every rank while others import."""
    error = refusal(f"x = 1\nif x:\n    {line}\n")
    assert error.code == "pip_in_cell"
    assert "line 4" in error.message
    assert line in error.message
    assert "notebook's environment" in error.hint


@pytest.mark.parametrize("line", ["!pip list", "!nvidia-smi", "x = !ls", "!!ls", "%env A=1", "%cd /tmp", "%time f()",
                                  "%matplotlib inline", "t = %time f()"])  # fmt: skip
def test_lines_that_ranks_can_answer_become_calls(line: str) -> None:
    """Other commands and the four known magics run in the rank."""
    program = check_cell(f"a = 1\n{line}\nb = 2\n")
    assert "get_ipython()." in program.text.splitlines()[1]
    assert program.text.splitlines()[2] == "b = 2"
    assert program.missing == ()
    ast.parse(program.text)


@pytest.mark.parametrize(
    ("line", "says"),
    [("%load_ext foo", "%load_ext"), ("%tim f()", "did you mean time?"), ("%%bash", "cell of its own"),
     ("len?", "len?"), ("?len", "?len"), ("/f 1", "/f 1")],
)  # fmt: skip
def test_other_notebook_syntax_is_refused_with_its_line(line: str, says: str) -> None:
    """A rank has no IPython; what it cannot do is said before anything is queued."""
    error = refusal(f"a = 1\n\n{line}\n")
    assert error.code == "magic_in_cell"
    assert "line 4 of the cell" in error.message
    assert says in str(error)


def test_continued_command_keeps_the_lines_after_it_in_place() -> None:
    """A command over three lines becomes one line and two blank ones."""
    program = check_cell("!echo a \\\n  b \\\n  c\nraise ValueError\n")
    assert program.text.splitlines()[3] == "raise ValueError"
    assert len(program.text.splitlines()) == 4


@given(st.lists(st.sampled_from(["!ls \\\n -l", "x = !ls", "%time f()", "y = 1", "", "def g():\n    %env A=1",
                                 's = """\n!ls\n%x\n"""', "z = (1 +\n 2)"])))  # fmt: skip
def test_every_line_keeps_its_number(parts: list[str]) -> None:
    """Whatever is rewritten, the sentinel after it stands where it stood."""
    text = "\n".join([*parts, "SENTINEL = 1"])
    program = check_cell(text)
    assert program.text.splitlines().index("SENTINEL = 1") == text.splitlines().index("SENTINEL = 1")


def test_top_level_await_is_refused_with_what_to_write() -> None:
    """A notebook allows it, a rank does not."""
    error = refusal("import asyncio\nawait asyncio.sleep(1)\n")
    assert error.code == "top_level_await"
    assert "line 3" in error.message
    assert "asyncio.run" in error.hint


def test_await_inside_a_function_is_fine() -> None:
    """Only the top level has no event loop."""
    check_cell("async def f():\n    await g()\n    async with a: pass\n    return [x async for x in y]\n")


def test_names_of_the_notebook_that_are_not_pushed_are_hinted() -> None:
    """cfg is used by the cell but not pushed: add --push cfg."""
    text = "import os\ndef f(n):\n    return cfg.lr * n + np.pi + os.sep + other\nf(len([1]))\n"
    program = check_cell(text, known={"cfg": "", "np": "numpy", "n": "", "unused": "", "os": "os"})
    assert program.missing == ("cfg", "np")
    assert program.hints == (
        "cfg is used by the cell but not pushed: add --push cfg.",
        "np is used by the cell but not imported there: add 'import numpy as np'.",
    )
    assert check_cell(text, known={"cfg": ""}, pushed=("cfg",)).hints == ()


def test_local_name_does_not_hide_a_missing_global() -> None:
    """A parameter called cfg in one function says nothing about the cfg that another reads."""
    assert check_cell("def f(cfg): return cfg\nprint(cfg)\n", known={"cfg": ""}).missing == ("cfg",)


@pytest.mark.parametrize(
    "text", ["cfg = 1\nprint(cfg)", "for cfg in (1,): print(cfg)", "def cfg(): cfg()",
                                  "from x import *\nprint(cfg)", "def f():\n  global cfg\n  cfg = 1\nprint(cfg)",
                                  "with o() as cfg: print(cfg)", "%time cfg = 1\nprint(cfg)",
     "print((cfg := 1))", "[cfg for cfg in (1,)]"],
)  # fmt: skip
def test_bound_names_are_not_hinted(text: str) -> None:
    """Whatever binds the name is enough."""
    assert check_cell(text, known={"cfg": ""}).missing == ()


def test_pull_of_a_name_the_cell_never_binds_is_hinted() -> None:
    """A typing error in --pull shows before the training, not after."""
    assert "historx" in check_cell("history = []\n", pulled=("historx",)).hints[0]
    assert check_cell("history = []\n", pulled=("history",)).hints == ()
    assert check_cell("%time history = []\n", pulled=("history",)).hints == ()


@pytest.mark.parametrize(
    ("text", "framework"),
    [("import torch.distributed as d", "torch"), ("from lightning import Trainer", "torch"),
     ("def f():\n    import transformers", "torch"), ("import jax.numpy as jnp", "jax"), ("import optax", "jax"),
     ("import jax, torch", "torch"), ("import numpy", "plain"), ("from . import torch", "plain")],
)  # fmt: skip
def test_framework_is_read_from_the_imports(text: str, framework: str) -> None:
    """It decides which warm interpreter the ranks are forked from."""
    assert check_cell(text).framework == framework


def test_empty_cell_is_refused() -> None:
    """There is nothing to run."""
    assert refusal("\n  \n").code == "empty_cell"


def test_script_is_checked_with_its_own_lines() -> None:
    """A file's line 1 is line 1, and its name is in the message."""
    assert check_script("import jax\n", name="t.py").framework == "jax"
    with pytest.raises(UserError, match=r"line 2 of t\.py") as caught:
        check_script("x = 1\n!ls\n", name="t.py")
    assert caught.value.code == "syntax_error"


@given(st.text(max_size=60))
def test_no_text_makes_the_check_fail_otherwise(text: str) -> None:
    """Whatever is typed is a program or a UserError."""
    try:
        program = check_cell(text)
    except UserError:
        return
    compile(program.text, "cell", "exec", dont_inherit=True)
