"""colours: the one table of names and colours."""

from __future__ import annotations

from itertools import combinations

import pytest

from jupyter_aicci.timeline.colours import PHASES, THEMES, USER_COLOURS, in_order, legend, look


def luminance(colour: str) -> float:
    """WCAG 2 relative luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", list(THEMES))
def test_text_can_be_read_on_its_background(name: str) -> None:
    """WCAG AA: 4.5 for text; 7 in the high-contrast theme."""
    theme = THEMES[name]
    least = 7.0 if name == "contrast" else 4.5
    assert contrast(theme.text, theme.background) >= least
    assert contrast(theme.muted, theme.background) >= least


@pytest.mark.parametrize("name", list(THEMES))
def test_working_phases_that_look_alike_in_grey_differ_in_hatch(name: str) -> None:
    """State is never told by colour alone; waiting, starting and ending are told apart by where they stand."""
    palette = THEMES[name].palette
    working = [row for row in PHASES if row.phase not in ("queued", "staging", "starting", "ending", "lost", "failed")]
    for one, other in combinations(working, 2):
        alike = contrast(one.colour.of(palette), other.colour.of(palette)) < 1.5
        assert not alike or one.hatch != other.hatch, (one.phase, other.phase)


def test_a_span_of_the_programs_own_keeps_its_name_and_colour() -> None:
    """The same name is the same colour in every run."""
    assert look("render").label == "render"
    assert look("render").colour in USER_COLOURS
    assert look("render") == look("render")


def test_the_legend_has_each_phase_once_in_the_tables_order() -> None:
    """The program's own spans come last."""
    phases = in_order(["mine", "compute", "queued", "compute", "data_wait"])
    assert phases == ("queued", "compute", "data_wait", "mine")
    assert legend(phases, THEMES["light"])[2] == {
        "phase": "data_wait",
        "label": "waiting for data",
        "colour": "#e5a13a",
        "hatch": "/",
    }
