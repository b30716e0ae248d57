"""The one table of what each phase and lane is called and how it is coloured, for every theme.

Figure, picture, legend and the panel's legend all read it. No state is told by colour alone: each phase has a label,
and a hatch where it may stand beside a colour that some eyes cannot tell from it. Hatches are letters that bokeh and
matplotlib share.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Palette = Literal["light", "dark", "contrast"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Colour:
    """One colour in the three palettes; contrast is JupyterLab's high-contrast dark theme."""

    light: str
    dark: str
    contrast: str

    def of(self, palette: Palette) -> str:
        return {"light": self.light, "dark": self.dark, "contrast": self.contrast}[palette]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a phase is named and drawn."""

    phase: str
    label: str
    colour: Colour
    hatch: str = " "  # a blank is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """The colours that surround the data; the figure's own background is transparent."""

    palette: Palette
    text: str
    muted: str
    grid: str
    background: str


THEMES: dict[str, Theme] = {
    "light": Theme(palette="light", text="#1d2329", muted="#6b7580", grid="#e3e6ea", background="#ffffff"),
    "dark": Theme(palette="dark", text="#e4e8ec", muted="#8d97a3", grid="#2a3038", background="#111418"),
    "contrast": Theme(palette="contrast", text="#ffffff", muted="#e0e0e0", grid="#6b6b6b", background="#000000"),
}

BLUE = Colour(light="#2f6fdd", dark="#6ea1f7", contrast="#7cc0ff")
GREEN = Colour(light="#4fa58a", dark="#4fa58a", contrast="#5cffc4")
VIOLET = Colour(light="#9d87cb", dark="#9c88cf", contrast="#e2c4ff")
RED = Colour(light="#d1383d", dark="#f0777b", contrast="#ff8080")
AMBER = Colour(light="#c77700", dark="#f0b14c", contrast="#ffd24d")
OK = Colour(light="#2f9e63", dark="#5cc48d", contrast="#5cff9d")

PHASES: tuple[Look, ...] = (
    Look(phase="queued", label="queued", colour=Colour(light="#c9ced6", dark="#4a525c", contrast="#8a8a8a")),
    Look(phase="staging", label="staging data", colour=Colour(light="#8ab6d6", dark="#4e86a8", contrast="#9bdcff")),
    Look(phase="starting", label="starting", colour=Colour(light="#b9a7d9", dark="#8471b3", contrast="#e2c4ff")),
    Look(phase="compile", label="compiling", colour=VIOLET, hatch="-"),
    Look(phase="compute", label="training", colour=Colour(light="#2f6fdd", dark="#4f86e0", contrast="#4da3ff")),
    Look(
        phase="data_wait",
        label="waiting for data",
        colour=Colour(light="#e5a13a", dark="#d2963a", contrast="#ffd24d"),
        hatch="/",
    ),
    Look(
        phase="comm",
        label="communicating",
        colour=Colour(light="#7d8fd9", dark="#6f80c8", contrast="#b3c0ff"),
        hatch="o",
    ),
    Look(
        phase="straggler",
        label="waiting for others",
        colour=Colour(light="#d9825f", dark="#c0714f", contrast="#ffb38a"),
        hatch="*",
    ),
    Look(phase="checkpoint", label="checkpoint", colour=GREEN, hatch="|"),
    Look(
        phase="eval", label="evaluating", colour=Colour(light="#58b4c9", dark="#3f93a8", contrast="#7df0ff"), hatch="."
    ),
    Look(
        phase="redone",
        label="redone work",
        colour=Colour(light="#8fb2ee", dark="#34558f", contrast="#2f6bb0"),
        hatch="\\",
    ),
    Look(
        phase="idle",
        label="idle",
        colour=Colour(light="#e3d9c4", dark="#5c5341", contrast="#b8ab8a"),
        hatch=".",
    ),
    Look(phase="ending", label="ending", colour=Colour(light="#dfe3e8", dark="#363d46", contrast="#6f6f6f")),
    Look(phase="lost", label="attempt lost", colour=RED, hatch="x"),
    Look(phase="failed", label="failed", colour=RED, hatch="x"),
)
BY_PHASE = {look.phase: look for look in PHASES}
ORDER = {look.phase: place for place, look in enumerate(PHASES)}

# spans that a program names itself take one of these by the name's checksum, so that a name keeps its colour
USER_COLOURS = (
    Colour(light="#c27ba0", dark="#b0698f", contrast="#ffa3d7"),
    Colour(light="#8d9b3f", dark="#96a44a", contrast="#e2f56b"),
    Colour(light="#c9805a", dark="#bd7750", contrast="#ffb38a"),
    Colour(light="#6f8fa8", dark="#6f8fa8", contrast="#b8d9f2"),
)

SKY = Colour(light="#5b9bc4", dark="#5e9dc2", contrast="#9bdcff")

# by the first word of a lane's id; what a program logs is blue
LANE_COLOURS = {
    **dict.fromkeys(("cpu", "memory", "host", "rss", "shm", "psi"), GREEN),
    **dict.fromkeys(("nvlink", "link", "rdma", "pcie", "host_tx", "host_rx"), VIOLET),
    **dict.fromkeys(("read", "write", "written", "disk", "net", "network", "storage"), SKY),
    **dict.fromkeys(("power", "energy", "temp", "throttle", "throttling"), AMBER),
}

SEVERITY_COLOURS = {"high": RED, "warning": AMBER, "note": Colour(light="#6b7580", dark="#8d97a3", contrast="#e0e0e0")}

# a strip of heat: what is usual is pale, from `heat.SLOW` times that on it is amber, and darker (in the dark: brighter)
HEAT_USUAL, HEAT_SLOW = 6, 8  # steps of the palette
HEAT_ENDS: dict[Palette, tuple[str, str, str, str]] = {
    "light": ("#e8effc", "#a3bff0", "#f5d196", "#d08414"),
    "dark": ("#17243c", "#345a9a", "#7d5b22", "#e0a03c"),
    "contrast": ("#00203d", "#0066cc", "#8a6d00", "#ffe680"),
}


def heat_palette(palette: Palette) -> list[str]:
    """The colours of a strip of heat from the scale's low end to its high one."""
    first, usual, slow, slowest = HEAT_ENDS[palette]
    return _between(first, usual, HEAT_USUAL) + _between(slow, slowest, HEAT_SLOW)


def _between(first: str, last: str, steps: int) -> list[str]:
    ends = [[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in (first, last)]
    return [
        "#" + "".join(f"{round(a + (b - a) * step / (steps - 1)):02x}" for a, b in zip(*ends, strict=True))
        for step in range(steps)
    ]


def look(phase: str) -> Look:
    """The phase's row; a span that the program named itself gets its name as label."""
    if phase in BY_PHASE:
        return BY_PHASE[phase]
    colour = USER_COLOURS[zlib.crc32(phase.encode()) % len(USER_COLOURS)]
    return Look(phase=phase, label=phase, colour=colour, hatch="+")


def lane_colour(lane_id: str) -> Colour:
    """The colour of a series lane; a lane under another has its colour."""
    first = lane_id.replace("/", ":").split(":", 1)[0]
    return LANE_COLOURS.get(first) or LANE_COLOURS.get(first.split("_", 1)[0], BLUE)


def in_order(phases: Iterable[str]) -> tuple[str, ...]:
    """The distinct phases in the table's order, the program's own spans after them by name."""
    return tuple(sorted(set(phases), key=lambda phase: (ORDER.get(phase, len(ORDER)), phase)))


def legend(phases: Iterable[str], theme: Theme) -> list[dict[str, str]]:
    """`{"phase", "label", "colour", "hatch"}` a phase, for a legend that is not drawn here."""
    rows = [look(phase) for phase in phases]
    return [
        {"phase": row.phase, "label": row.label, "colour": row.colour.of(theme.palette), "hatch": row.hatch.strip()}
        for row in rows
    ]
