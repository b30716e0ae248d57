"""The documentation says what the code does: pages are fresh, nothing public is missing, links lead somewhere."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_aicci.agent.rank import api
from jupyter_aicci.model.commands import COMMANDS
from jupyter_aicci.model.events import KINDS
from jupyter_aicci.model.metrics import METRICS
from jupyter_aicci.model.options import OPTIONS
from jupyter_aicci.model.states import ExitClass, State, Step
from jupyter_aicci.service.routes import REF, ROUTES

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|<img[^>]* src=\"([^\"]+)\"")


def reference(name: str) -> str:
    return (ROOT / "docs" / "reference" / name).read_text("utf-8")


@pytest.mark.parametrize("tool", ["docs.py", "notebooks.py"])
def test_generated_pages_are_what_the_code_says_now(tool: str) -> None:
    """`./tools/dev docs` would change nothing."""
    done = subprocess.run([sys.executable, str(ROOT / "tools" / tool), "--check"], capture_output=True, text=True)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("options.md", [option.flag for option in OPTIONS]),
        ("commands.md", [command.prog(face) for command in COMMANDS for face in command.faces]),
        ("states.md", [*State, *Step]),
        ("exit-classes.md", list(ExitClass)),
        ("events.md", list(KINDS)),
        ("metrics.md", [f"`{metric.name}`" for metric in METRICS]),
        ("python.md", [f"aicci.{name}" for name in api.__all__]),
    ],
)
def test_every_public_word_stands_in_the_reference(page: str, words: list[str]) -> None:
    """Options, commands, states, steps, exit classes, events, metrics and what a program may call are all documented."""
    text = reference(page)

    assert [word for word in words if word not in text] == []


def test_every_route_stands_in_the_contract() -> None:
    """Each route of the service is in section 6 of processes-and-files.md."""
    contract = (ROOT / "docs" / "explanation" / "processes-and-files.md").read_text("utf-8")
    routes = [pattern.replace(REF, "REF") for pattern, _ in ROUTES]

    assert "/v1/runs/REF/stop" in routes
    assert [route for route in routes if not re.search(rf"(GET|POST|WS) [^|]*{re.escape(route)}\b", contract)] == []


def test_every_error_code_is_raised_with_a_next_step_or_a_full_sentence() -> None:
    """The table of errors has no empty message."""
    rows = [line for line in reference("errors.md").splitlines() if re.match(r"\| `[a-z_]+` \| `\d+`", line)]

    assert len(rows) > 10
    assert [row for row in rows if not row.split("|")[3].strip()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_that_exist(page: Path) -> None:
    """A relative link or picture of a page is in the repository."""
    targets = [one or two for one, two in LINK.findall(page.read_text("utf-8"))]
    local = [target.split("#")[0] for target in targets if "://" not in target and not target.startswith("#")]

    assert [target for target in local if not (page.parent / target).exists()] == []


def test_every_page_is_reachable_from_the_readme() -> None:
    """Whoever starts at README.md finds every page of docs/."""
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        seen.add(page)
        for one, _ in LINK.findall(page.read_text("utf-8")):
            target = (page.parent / one.split("#")[0]).resolve()
            if target.suffix == ".md" and target.exists() and target not in seen:
                waiting.append(target)

    assert sorted(str(page.relative_to(ROOT)) for page in set(PAGES) - seen) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_tests_that_a_page_names_exist(page: Path) -> None:
    """A claim that names the test that holds it names one that is there."""
    named = re.findall(r"(tests/[\w/]+\.py)::(\w+)", page.read_text("utf-8"))

    assert [name for file, name in named if f"def {name}(" not in (ROOT / file).read_text("utf-8")] == []


def test_commands_of_the_readme_exist() -> None:
    """Each ./tools/dev command of README and CONTRIBUTING is one that tools/dev knows."""
    text = (ROOT / "README.md").read_text("utf-8") + (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    named = set(re.findall(r"\./tools/dev (\w+)", text))
    known = set(re.findall(r"^([a-z]+)(?: \| .*)?\) ", (ROOT / "tools" / "dev").read_text("utf-8"), re.MULTILINE))

    assert {"demo", "test"} <= named
    assert named - known == set()


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.ipynb")), ids=lambda path: path.name)
def test_notebook_trains_with_the_program_beside_it(path: Path) -> None:
    """The training cell is the file's program, below a `%%aicci train` line, on the kernel "Python (aicci)"."""
    notebook = json.loads(path.read_text("utf-8"))
    (cell,) = [cell for cell in notebook["cells"] if cell["id"] == "train"]
    magic, _, program = "".join(cell["source"]).partition("\n")
    tree = ast.parse(path.with_suffix(".py").read_text("utf-8"))

    assert notebook["metadata"]["kernelspec"]["name"] == "aicci"
    assert magic.startswith("%%aicci train --nodes 2")
    assert ast.dump(ast.parse(program)) == ast.dump(ast.Module(body=tree.body[1:], type_ignores=[]))
