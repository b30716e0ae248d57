"""What the phases of a bill are: useful, overhead or waste, and the one sentence that says where the money went.

The only place where that is decided: ledger, reports, cost lane, card and picture read it here; docs/explanation/cost.md, rule 10,
says it in words.
Rule 1: useful is work that was done for the first time, and what it cannot do without (collectives at their best, evaluation,
the program's own spans); waste is waiting, idling, and doing steps again; the rest (starting, checkpoints, compiling) is neither.
Rule 2: all that is not useful is a leak, also where it is needed: the sentence names the largest, not a culprit.
Rule 3: money where a price is known, else rank time; never one as if it were the other.
"""

from __future__ import annotations

from collections.abc import Mapping

from jupyter_aicci.model.text import NS, duration, money

USEFUL, OVERHEAD, WASTE = KINDS = ("useful", "overhead", "waste")
KIND_OF = {
    "compute": USEFUL,
    "comm": USEFUL,
    "eval": USEFUL,
    "spans": USEFUL,
    "staging": OVERHEAD,
    "starting": OVERHEAD,
    "compile": OVERHEAD,
    "checkpoint": OVERHEAD,
    "ending": OVERHEAD,
    "data_wait": WASTE,
    "straggler": WASTE,
    "idle": WASTE,
    "redone": WASTE,
    "unknown": OVERHEAD,
}
LEAKS = {
    "data_wait": "waiting for data",
    "straggler": "waiting for slower ranks",
    "idle": "idle",
    "redone": "steps done again",
    "staging": "staging data",
    "starting": "the start",
    "compile": "compiling",
    "checkpoint": "checkpoints",
    "ending": "the end",
    "unknown": "time whose record is damaged",
}


def kind_of(phase: str) -> str:
    """useful, overhead or waste; a phase that is not known is work of the program's own."""
    return KIND_OF.get(phase, USEFUL)


def headline(ns: Mapping[str, int], micro: Mapping[str, int], currency: str, *, priced: bool) -> str:
    """`61 % of $38.20 was useful; the biggest leak, $9.10, is waiting for data`; "" before anything useful was done.

    `ns` and `micro` are rank time and money by phase; `priced`: the money is all of it.
    """
    useful = [phase for phase in ns if kind_of(phase) == USEFUL]
    if not sum(ns[phase] for phase in useful):
        return ""
    amounts = micro if priced and sum(micro.values()) > 0 else ns
    whole, part = sum(amounts.values()), sum(amounts[phase] for phase in useful)
    share = (
        f"{100 * part // whole} % of {_words(whole, amounts is micro, currency)} was useful"  # down: 100 % is all of it
    )
    leak = max((phase for phase in ns if phase not in useful and ns[phase]), key=lambda phase: ns[phase], default="")
    if not leak:
        return share
    return f"{share}; the biggest leak, {_words(amounts[leak], amounts is micro, currency, of='')}, is {LEAKS[leak]}"


def _words(amount: int, is_money: bool, currency: str, of: str = " of rank time") -> str:
    return money(amount, currency) if is_money else duration(amount / NS) + of
