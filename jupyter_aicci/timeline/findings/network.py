"""Networks that lose what is sent: F19 (TCP) and F20 (RDMA over Ethernet).

Both are notes: what they cost shows as communication (F06) or as a straggler (F04).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jupyter_aicci.model.finding import Finding
from jupyter_aicci.timeline.evidence import Floats
from jupyter_aicci.timeline.findings.board import Board, node_of, percent, ratio
from jupyter_aicci.timeline.findings.rule import HOUSE, UNSEEN, Rule

RETRANS_WARN, RETRANS_HIGH, SEGMENTS, AGAIN = 0.001, 0.01, 1000.0, 10.0
RDMA_PER_S, CONGESTED = 10.0, 0.01

RETRANSMITS = Rule(
    id="F19",
    name="TCP sends again",
    measures="TCP segments sent a second time, of those sent.",
    threshold=f"{percent(RETRANS_WARN)} (high from {percent(RETRANS_HIGH)}) of at least {SEGMENTS:.0f} segments in 10 s, at least"
    f" {AGAIN:.0f} of them again; of a run over several hosts",
    source=HOUSE,
    money="nothing: note",
    needs="node: tcp_out, tcp_retrans",
)
RDMA = Rule(
    id="F20",
    name="RDMA in trouble",
    measures="Packets out of sequence, sequence errors and timeouts of a port; packets marked for congestion.",
    threshold=f"{RDMA_PER_S:.0f} a second, or marks on {percent(CONGESTED)} of the packets",
    source=UNSEEN,
    money="nothing: note",
    needs="nic: rdma_out_of_sequence, rdma_sequence_errors, rdma_ack_timeouts, rdma_congestion, rdma_packets",
)


def retransmits(board: Board) -> Iterator[Finding]:
    """F19: of runs over several hosts; inside one, what the host's TCP does is other programs'."""
    attempt = board.run.attempt
    if attempt is None or len({place.host for place in attempt.placement.nodes}) < 2:
        return
    length_s = float(board.grid[1] - board.grid[0]) if len(board.grid) > 1 else 0.0
    for whose in board.owners("tcp_out", "tcp_retrans", scope="node"):
        sent, again = board.mean("tcp_out", whose), board.mean("tcp_retrans", whose)
        share = ratio(again, sent)
        hot = (share >= RETRANS_WARN) & (sent * length_s >= SEGMENTS) & (again * length_s >= AGAIN)
        for episode, from_s, to_s in board.on_grid(hot, share):
            span = episode.span
            value = float(np.nansum(again[span]) / np.nansum(sent[span]))
            yield board.finding(
                RETRANSMITS,
                from_s=from_s,
                to_s=to_s,
                ongoing=not episode.cleared,
                nodes=(node_of(whose),),
                value=value,
                threshold=RETRANS_WARN,
                severity="high" if value >= RETRANS_HIGH else "note",
                confidence=board.confidence(from_s, to_s),
                text=f"{percent(value)} of the TCP segments of node {node_of(whose)} were sent again",
                fix="Have the switch ports and the MTU on the way looked at; fewer parallel connections help meanwhile.",
                lanes=("network",),
            )


def rdma(board: Board) -> Iterator[Finding]:
    """F20."""
    for whose in sorted(set(board.owners("rdma_out_of_sequence")) | set(board.owners("rdma_congestion"))):
        errors = ("rdma_out_of_sequence", "rdma_sequence_errors", "rdma_ack_timeouts")
        trouble: Floats = np.array([np.nan_to_num(board.mean(metric, whose)) for metric in errors]).sum(axis=0)
        marked = np.nan_to_num(ratio(board.mean("rdma_congestion", whose), board.mean("rdma_packets", whose)))
        for episode, from_s, to_s in board.on_grid((trouble > RDMA_PER_S) | (marked > CONGESTED), trouble):
            per_s, marks = float(np.mean(trouble[episode.span])), float(np.mean(marked[episode.span]))
            by_errors = per_s > RDMA_PER_S
            yield board.finding(
                RDMA,
                from_s=from_s,
                to_s=to_s,
                ongoing=not episode.cleared,
                nodes=(node_of(whose),),
                value=per_s if by_errors else marks,
                threshold=RDMA_PER_S if by_errors else CONGESTED,
                confidence=board.confidence(from_s, to_s),
                inputs={"per_s": per_s, "marked": marks},
                text=f"{whose.replace('-', ' ', 1).replace('/', ', ')}: "
                + (
                    f"{per_s:.0f} packets a second out of order or lost"
                    if by_errors
                    else f"{percent(marks)} of the packets met congestion"
                ),
                fix="Have flow control (PFC, ECN) of the fabric and this port's cable looked at.",
                lanes=("rdma",),
            )
