"""Findings: what is wrong with a run, what that costs, and what to try, each a pure function of its evidence.

    from jupyter_aicci.timeline.findings import findings
        findings(evidence, gates=GATES) -> tuple[Finding, ...]     the costliest first, each cause once
    from jupyter_aicci.timeline.findings.table import RULES        (Rule, function) for F01 to F30
    from jupyter_aicci.timeline.findings.words import line         one line of text about one finding

A rule speaks after enough steps and seconds, in two windows in a row, and falls silent after three (`rule.Gates`); all of
it is computed from the whole history, so that equal evidence gives equal findings.
Must not import: anything but model, numpy and timeline.evidence.
"""

from __future__ import annotations

from dataclasses import replace

from jupyter_aicci.model.finding import Finding
from jupyter_aicci.timeline.evidence import Evidence
from jupyter_aicci.timeline.findings.board import Board
from jupyter_aicci.timeline.findings.explain import explained, in_order, joined
from jupyter_aicci.timeline.findings.rule import GATES, Gates
from jupyter_aicci.timeline.findings.table import RULES


def findings(evidence: Evidence, gates: Gates = GATES) -> tuple[Finding, ...]:
    """Everything that the rules find, without what another finding explains."""
    board = Board(evidence, gates)
    found = [each for _, find in RULES for each in find(board)]
    return tuple(_short(each, board) for each in in_order(joined(explained(found))))


def _short(found: Finding, board: Board) -> Finding:
    """Ranks and nodes that are all there are written as ()."""
    ranks, nodes = (
        () if some == every else some for some, every in ((found.ranks, board.ranks), (found.nodes, board.nodes))
    )
    return replace(found, ranks=ranks, nodes=nodes)


__all__ = ["findings"]
