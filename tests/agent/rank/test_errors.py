"""The error record and the traceback, whatever the exception is like."""

import linecache
import textwrap

import pytest

from jupyter_aicci.agent.rank.errors import CellTraceback, record_of

PLAN = {"run_dir": "", "source": "cell.py", "cell_name": "Cell In[7]", "cell_first_line": 2}


def the_error_of(tmp_path, cell, **plan):
    """(exception, tracebacks) of a cell that is executed here as the rank does."""
    tracebacks = CellTraceback({**PLAN, "run_dir": str(tmp_path), **plan})
    (tmp_path / "src").mkdir()
    text = textwrap.dedent(cell)
    (tmp_path / "src" / "cell.py").write_text(text)
    linecache.clearcache()
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - any exception of the cell is the subject
        exec(compile(text, tracebacks.file, "exec"), {"__name__": "__main__"})
    return caught.value.with_traceback(caught.value.__traceback__.tb_next), tracebacks


def test_chained_causes_are_kept_with_their_lines(tmp_path):
    """Both exceptions, both in lines of the cell; the line named is that of the one that ended it."""
    error, tracebacks = the_error_of(
        tmp_path,
        """\
        def parse(text):
            try:
                return int(text)
            except ValueError as error:
                raise RuntimeError("bad batch") from error
        parse("x")
        """,
    )
    text = tracebacks.text(error)
    assert (
        "  Cell In[7], line 4, in parse\n    return int(text)\n           ^^^^^^^^^\nValueError: invalid literal"
        in text
    )
    assert "The above exception was the direct cause" in text
    assert text.endswith("RuntimeError: bad batch\n")
    assert str(tmp_path) not in text
    assert record_of(error, tracebacks, step=3)["where"] == "Cell In[7], line 6"


def test_groups_keep_their_members(tmp_path):
    """ExceptionGroup is printed as Python prints it, with cell lines."""
    error, tracebacks = the_error_of(
        tmp_path,
        """\
        found = []
        for text in ("a", "b"):
            try:
                int(text)
            except ValueError as error:
                found.append(error)
        raise ExceptionGroup("two", found)
        """,
    )
    text = tracebacks.text(error)
    assert text.count("Cell In[7], line 5") == 2
    assert "ExceptionGroup: two (2 sub-exceptions)" in text


def test_an_exception_whose_str_raises_is_told_all_the_same(tmp_path):
    """Nothing that an exception does hides that it happened."""
    error, tracebacks = the_error_of(
        tmp_path,
        """\
        class Broken(Exception):
            def __str__(self): raise RuntimeError("no words")
        raise Broken
        """,
    )
    record = record_of(error, tracebacks, step=None)
    assert record["type"] == "Broken"
    assert record["message"] == "<its __str__ raised RuntimeError>"
    assert "Cell In[7], line 4" in record["traceback"]


def test_a_recursion_stays_small(tmp_path):
    """A thousand frames are one line of "repeated"; the record has the innermost ones."""
    error, tracebacks = the_error_of(tmp_path, "def f(): f()\nf()\n")
    record = record_of(error, tracebacks, step=None)
    assert "Previous line repeated" in record["traceback"]
    assert len(record["frames"]) == 50


def test_module_call_machinery_of_torch_is_left_out(tmp_path):
    """`_call_impl` between two lines of the program says nothing to its author."""
    plumbing = tmp_path / "torch" / "nn" / "modules" / "module.py"
    plumbing.parent.mkdir(parents=True)
    plumbing.write_text("def _call_impl(f):\n    return f()\n\ndef other(f):\n    return f()\n")
    error, tracebacks = the_error_of(
        tmp_path,
        f"""\
        scope = {{}}
        exec(compile(open({str(plumbing)!r}).read(), {str(plumbing)!r}, "exec"), scope)
        scope["other"](lambda: scope["_call_impl"](lambda: 1 / 0))
        """,
    )
    names = [name for _, _, name in record_of(error, tracebacks, step=None)["frames"]]
    assert names == ["<module>", "other", "<lambda>", "<lambda>"]
    assert "_call_impl\n" not in tracebacks.text(error).replace('["_call_impl"]', "")


def test_a_library_error_names_the_line_of_the_cell_that_called_it(tmp_path):
    """The innermost line of the program, not of the library."""
    error, tracebacks = the_error_of(tmp_path, "import json\ndef load(): return json.loads('{')\nload()\n")
    record = record_of(error, tracebacks, step=None)
    assert (record["where"], record["cell_line"]) == ("Cell In[7], line 3", "def load(): return json.loads('{')")
    assert record["type"] == "JSONDecodeError"
