"""Entry points of the package by its first word: agent, keeper, zygote, rank, warm.

    python -I -S agent.pyz agent NODE_DIR [R=FD …]    watches one node of an attempt; with pidfds of ranks that live already
    python -I -S agent.pyz keeper NODE_DIR [R=FD …]   a cold keeper; with pidfds of ranks that it adopts
    python -u agent.pyz zygote NAME ORDER FD FD       started by `warmstart`
    python -u agent.pyz rank NODE_DIR INDEX           a cold rank, INDEX within plan.ranks
    python -I -S agent.pyz warm PYTHON FRAMEWORK RUNTIME_DIR

Rule: each imports only what it needs; the agent's start is part of every run's start.
"""

from __future__ import annotations

import sys


def pidfds(words: list[str]) -> dict[int, int]:
    """rank -> descriptor, of words like `3=12`."""
    return {int(rank): int(fd) for rank, _, fd in (each.partition("=") for each in words)}


def main() -> None:
    """Do what the first word says; most of them never return."""
    word, *words = sys.argv[1:] or [""]
    if word == "agent":
        from .main import run_agent

        run_agent(words[0], pidfds(words[1:]))
    elif word == "keeper":
        from .keeper import run_keeper

        run_keeper(words[0], pidfds(words[1:]))
    elif word == "zygote":
        from .zygote import run_zygote

        run_zygote(words[0], words[1], int(words[2]), int(words[3]))
    elif word == "rank":
        from .files import read_json
        from .rank.main import run_rank

        run_rank(read_json(f"{words[0]}/plan.json") or {}, int(words[1]))
    elif word == "warm":
        import os

        from .warmstart import prepare

        sys.exit(prepare(words[0], words[1], dict(os.environ), words[2]) or None)
    else:
        sys.exit(f"unknown entry point {word!r}: expected agent, keeper, zygote, rank or warm")


if __name__ == "__main__":
    main()
