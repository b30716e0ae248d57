"""The special lines of a cell in a rank, from the cell's text as typed to what they do."""

from agent.rank.rank_builders import a_gang

from jupyter_aicci.source.program import check_cell


def test_special_lines_do_in_a_rank_what_they_do_in_the_notebook(tmp_path):
    """!command, x = !command, %env, %cd, %time, %matplotlib; {expression} and $name are filled in."""
    cell = """\
name = "world"
!echo hello {name} $name $$HOME_IS_NOT_SET. && false
print(_exit_code)
lines = !printf 'a\\nb\\n'
print(lines, lines.s, lines.n == "a\\nb")
%env ANSWER={6 * 7}
!echo $$ANSWER
%matplotlib inline
%cd /
import os
print(os.getcwd())
def f():
    local = 3
    x = !echo {local}
    return x
print(f())
%time y = sum(range(10))
print(y)
1 / 0
"""
    gang = a_gang(tmp_path, check_cell(cell).text)
    assert gang.run() == [1]
    lines = gang.log().splitlines()
    assert lines[:7] == ["hello world world .", "1", "['a', 'b'] a b True", "env: ANSWER=42", "42", "/", "['3']"]
    assert lines[7].startswith("Wall time: ")
    assert lines[8] == "45"
    assert gang.error()["where"] == "Cell In[7], line 20"


def test_input_and_breakpoint_say_why_they_cannot(tmp_path):
    """Not an EOFError without a word, not a debugger that waits for ever."""
    gang = a_gang(
        tmp_path,
        """
        try:
            breakpoint()
        except RuntimeError as error:
            print(error)
        input("continue? ")
        """,
    )
    assert gang.run() == [1]
    assert "breakpoint() waits for a person" in gang.log()
    assert gang.error()["type"] == "EOFError"
    assert "input('continue? ') waits for a person" in gang.error()["message"]
    assert "--push" in gang.error()["message"]
