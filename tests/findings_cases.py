"""What tests of findings share: healthy devices and loaders, the finding that comes first, and that there is none.

Every finding that a test meets is well put, drawn on lanes that there are, and has a translation.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from findings_builders import Story, a_story
from words_builders import unknown

from jupyter_aicci.model.finding import Finding
from jupyter_aicci.timeline.findings.words import line
from jupyter_aicci.timeline.gauges import GAUGES

GIB = float(1 << 30)
Change = Callable[[Story], None]


def gpus(**more: int) -> Story:
    """Four ranks with an accelerator each, busy and cool."""
    story = a_story(accelerators=4, **more)  # type: ignore[arg-type]
    for index in range(4):
        device = f"node-0/gpu-{index}"
        for metric, value in (
            ("util", 97.0), ("sm_util", 80.0), ("tensor", 40.0), ("clock", 1900.0), ("clock_max", 1980.0),
            ("mem_used", 60 * GIB), ("mem_total", 80 * GIB), ("temp", 60.0), ("throttle_power", 0.0), ("throttle_thermal", 0.0),
            ("throttle_brake", 0.0), ("pcie_gen", 5.0), ("pcie_gen_max", 5.0), ("pcie_width", 16.0), ("pcie_width_max", 16.0),
            ("link_up", 18.0),
        ):  # fmt: skip
            story.measure(metric, device, value)
    return story


def the(story: Story, rule: str) -> Finding:
    """The finding of a rule, which is the first of all."""
    found = story.findings()
    assert [each.id for each in found][:1] == [rule], [(each.id, each.text) for each in found]
    assert all(_is_a_lane(story, lane) for lane in found[0].lanes), f"views have no such lanes: {found[0].lanes}"
    assert [said for each in found if not _well_put(said := line(each.to_json(), "USD"))] == []
    assert [said for each in found for text in (each.name, each.text, each.fix) for said in unknown(text)] == []
    return found[0]


def _well_put(said: str) -> bool:
    """Whether it is whole sentences, with one space between two, and at the end its cost or nothing."""
    words = re.sub(r" \(≈ [^()]+ (wasted|so far|at risk)\)$", "", said)
    return words.endswith((".", "!", "?")) and not re.search(r"\.\.|  |[;:,] ?\.|\( | \)| [.,;:](?!\w)", words)


def _is_a_lane(story: Story, lane: str) -> bool:
    """Whether a view can have it: a sampled one, step time, cost, a node's bar."""
    return lane in {
        "step_time",
        "step_heat",
        "cost",
        *(each.id for each in GAUGES),
        *(f"node-{node}" for node in range(story.nodes)),
    }


def silent(story: Story) -> None:
    assert [(each.id, each.text) for each in story.findings()] == []


def loader(story: Story, workers: float, cpu: float) -> None:
    for rank in range(story.ranks):
        story.measure("workers", f"rank-{rank}", workers)
        story.measure("worker_cpu", f"rank-{rank}", workers * cpu)
        story.measure("cpu", f"rank-{rank}", 1.0)
