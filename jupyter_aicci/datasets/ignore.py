"""Which files of a working directory stay out of its snapshot: .gitignore, .aicciignore, and what no program reads.

Rule: as git does it: the file nearest to a path decides, .aicciignore has the last word in its directory, and a
directory that is left out is not looked into.
"""

from __future__ import annotations

from pathlib import Path

from pathspec import GitIgnoreSpec

IGNORE_FILES = (".gitignore", ".aicciignore")
NEVER = frozenset({".git", ".hg", ".svn", "__pycache__", ".ipynb_checkpoints", ".venv", "node_modules"})


class Ignore:
    """The rules that hold in one directory; `below` gives those of a directory in it."""

    def __init__(self, specs: tuple[tuple[Path, GitIgnoreSpec], ...]) -> None:
        self._specs = specs  # outermost first

    def below(self, directory: Path) -> Ignore:
        """The rules for the entries of `directory`."""
        lines = [line for name in IGNORE_FILES for line in _lines(directory / name)]
        return Ignore((*self._specs, (directory, GitIgnoreSpec.from_lines(lines)))) if lines else self

    def leaves_out(self, path: Path, *, is_dir: bool) -> bool:
        """Whether `path` stays out of the snapshot."""
        if path.name in NEVER or (is_dir and (path / "pyvenv.cfg").exists()):
            return True
        for directory, spec in reversed(self._specs):
            ignored = spec.check_file(path.relative_to(directory).as_posix() + ("/" if is_dir else "")).include
            if ignored is not None:
                return ignored
        return False


def ignore_above(workdir: Path) -> Ignore:
    """The rules that the directories from the repository's root down to `workdir`'s parent set for it."""
    above = [workdir, *workdir.parents]
    root = next((index for index, directory in enumerate(above) if (directory / ".git").exists()), 0)
    rules = Ignore(())
    for directory in reversed(above[1 : root + 1]):
        rules = rules.below(directory)
    return rules


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []
