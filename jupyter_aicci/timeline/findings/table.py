"""All rules, in the order of their numbers: what docs/reference/findings.md and `findings` are made from."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from jupyter_aicci.model.finding import Finding
from jupyter_aicci.timeline.findings import (
    checkpoint,
    communication,
    device,
    idle,
    input,
    memory,
    network,
    quota,
    scale,
    steps,
    straggler,
)
from jupyter_aicci.timeline.findings.board import Board
from jupyter_aicci.timeline.findings.rule import Rule

Find = Callable[[Board], Iterator[Finding]]

RULES: tuple[tuple[Rule, Find], ...] = (
    (input.INPUT_BOUND, input.input_bound),
    (input.LOADER_CPU, input.loader_cpu),
    (input.LOADER_STORAGE, input.loader_storage),
    (straggler.STRAGGLER, straggler.straggler),
    (straggler.SLOW_NODE, straggler.slow_node),
    (communication.COMM_BOUND, communication.comm_bound),
    (communication.WRONG_PATH, communication.wrong_path),
    (device.POWER_CAP, device.power_cap),
    (device.HEAT_CAP, device.heat_cap),
    (device.BRAKED, device.braked),
    (memory.DEVICE_MEMORY, memory.device_memory),
    (memory.HOST_MEMORY, memory.host_memory),
    (memory.SHM, memory.shm_full),
    (memory.LEAK, memory.leak),
    (device.BUSY_EMPTY, device.busy_empty),
    (idle.IDLE, idle.idle),
    (idle.HANG, idle.hang),
    (checkpoint.COSTLY, checkpoint.checkpoints),
    (network.RETRANSMITS, network.retransmits),
    (network.RDMA, network.rdma),
    (device.LINK_DOWN, device.link_down),
    (device.FAULTY, device.faulty),
    (quota.QUOTA, quota.quota),
    (device.FAR_CPUS, device.far_cpus),
    (steps.UNSTABLE, steps.unstable),
    (steps.REGRESSION, steps.regression),
    (scale.SLOW_START, scale.slow_start),
    (scale.TOO_MANY, scale.too_many),
    (checkpoint.LOST_WORK, checkpoint.lost_work),
    (device.UNDER, device.under_used),
)
