"""picture: the PNG that notebooks keep."""

from __future__ import annotations

import io
import math
import random
from dataclasses import replace
from itertools import pairwise

import matplotlib as mpl
import pytest
from drawing_builders import a_full_view, a_large_view
from PIL import Image
from timeline_builders import RUN_ID, Frames, Journal, a_failed_run, a_long_run, at

from jupyter_aicci.model.events import Noted
from jupyter_aicci.timeline.colours import PHASES, SEVERITY_COLOURS, heat_palette
from jupyter_aicci.timeline.fonts import fitted, shown, width_of
from jupyter_aicci.timeline.lanes import View
from jupyter_aicci.timeline.picture import picture, said, ticks
from jupyter_aicci.timeline.view import view

LIMIT_BYTES = 120_000


def a_view(build: object = a_long_run) -> View:
    run, frames, cost = build()  # type: ignore[operator]
    return view(run, frames, cost=cost, now_ns=at(763))


def test_equal_views_give_equal_bytes_under_the_limit() -> None:
    """A notebook that is saved twice does not differ."""
    first = picture(a_view())
    assert first == picture(a_view())
    assert len(first) < LIMIT_BYTES


def test_twelve_noisy_lanes_stay_under_the_limit() -> None:
    """Noise compresses worst."""
    rng = random.Random(0)
    frames = Frames().phase(1.0, "compute")
    for step in range(3000):
        frames.step(1 + step / 4, step, rng.random() / 10)
        frames.log(1 + step / 4, 0, step, **{f"metric_{i}": rng.gauss(0, 1) for i in range(14)})
        frames.sample(1 + step / 4, rng.random() * 2, rng.random() * 1e9)
    run = Journal(ranks_per_node=1, name="noise").placed(0.0).runs(0.0).run()
    assert len(picture(view(run, frames, cost=(), now_ns=at(760)))) < LIMIT_BYTES


def test_the_picture_has_the_size_that_was_asked_for() -> None:
    """dpi and width scale the same card."""
    image = Image.open(io.BytesIO(picture(a_view(), dpi=100, width_in=8)))
    assert image.size[0] == 800


def test_the_phases_colours_are_in_the_bars() -> None:
    """Training and waiting for data are seen where they were."""
    image = Image.open(io.BytesIO(picture(a_view()))).convert("RGB")
    seen = {colour for _, colour in image.getcolors(1 << 24) or []}
    for look in PHASES:
        if look.phase in ("queued", "starting", "compute", "data_wait", "checkpoint"):
            assert tuple(bytes.fromhex(look.colour.light[1:])) in seen, look.phase


def colours_of(shown: View) -> set[tuple[int, ...]]:
    image = Image.open(io.BytesIO(picture(shown))).convert("RGB")
    return {colour for _, colour in image.getcolors(1 << 24) or []}


def near(colours: set[tuple[int, ...]], wanted: str, within: int = 12) -> bool:
    """Whether the picture's palette, which is small, has the colour or one that looks like it."""
    parts = bytes.fromhex(wanted[1:])
    return any(max(abs(a - b) for a, b in zip(colour, parts, strict=True)) <= within for colour in colours)


def test_a_strip_of_heat_shows_the_usual_pale_and_what_is_slow_in_amber() -> None:
    """The waiting for data of all ranks is seen at a glance, on GitHub too."""
    seen = colours_of(a_full_view())
    pale, amber = heat_palette("light")[2], heat_palette("light")[-2]
    assert near(seen, pale)
    assert near(seen, amber)


def test_findings_and_wasted_money_are_marked_and_listed() -> None:
    """Each has its number on the chart and a row below it, in the colour of its severity."""
    full = a_full_view()
    bare = replace(full, findings=())
    assert near(colours_of(full), SEVERITY_COLOURS["high"].light)
    assert not near(colours_of(bare), SEVERITY_COLOURS["high"].light)
    tall, low = (Image.open(io.BytesIO(picture(each, dpi=100))).size[1] for each in (full, bare))
    assert tall > low + 40
    unshaded = replace(
        bare, lanes=tuple(replace(lane, shade=()) if lane.kind == "series" else lane for lane in bare.lanes)
    )
    assert picture(unshaded) != picture(bare)


def test_a_picture_with_everything_on_it_stays_small() -> None:
    """A thousand ranks over three days, too: a notebook is to stay under 200 KB a run."""
    assert len(picture(a_full_view())) < LIMIT_BYTES
    assert len(picture(a_large_view(columns=400))) < LIMIT_BYTES


def test_the_users_matplotlib_settings_neither_change_the_picture_nor_are_changed() -> None:
    """A notebook with a dark style and TeX still gets our card, and keeps its own."""
    plain = picture(a_view(a_failed_run))
    with mpl.rc_context({"text.usetex": True, "font.family": "monospace", "hatch.linewidth": 9, "savefig.dpi": 30}):
        assert picture(a_view(a_failed_run)) == plain
        assert mpl.rcParams["text.usetex"] is True


def test_a_run_that_only_waits_and_one_without_a_name_have_pictures() -> None:
    """Empty lanes are drawn, not an error."""
    data = picture(view(Journal(name="").run(), (), cost=(), now_ns=at(0)))
    assert Image.open(io.BytesIO(data)).format == "PNG"


def test_the_words_under_the_chart_say_what_failed_or_why_it_waits() -> None:
    """A picture alone tells the reason; a healthy run needs none."""
    assert said(a_view(a_failed_run)) == [
        "rank 1 failed: ValueError: bad batch",
        "Cell In[7], line 17: loss = step(batch)",
    ]
    journal = Journal()
    journal.rows.append(Noted(run_id=RUN_ID, time_ns=at(1), topic="waiting", text="behind 2 runs"))
    assert said(view(journal.run(), (), cost=(), now_ns=at(2))) == ["behind 2 runs"]
    assert said(a_view()) == []


def test_one_logged_point_is_seen() -> None:
    """A line of one point would be invisible."""
    run = Journal(ranks_per_node=1).placed(0.0).runs(0.0).run()
    without = picture(view(run, Frames().log(5.0, loss=math.nan), cost=(), now_ns=at(9)))
    one = picture(view(run, Frames().log(5.0, loss=1.0), cost=(), now_ns=at(9)))
    assert without != one


@pytest.mark.parametrize("end_s", [1, 7, 45.4, 763, 9000, 400_000, 3e6])
def test_time_ticks_are_round_few_and_within_the_run(end_s: float) -> None:
    """Between two and nine labels, evenly spaced."""
    found = ticks(end_s)
    assert 2 <= len(found) <= 9
    assert found[0] == 0
    assert found[-1] <= end_s
    assert len({round(b - a, 6) for a, b in pairwise(found)}) <= 1


def test_text_that_does_not_fit_ends_in_an_ellipsis() -> None:
    """A long reason does not run over its neighbour."""
    text = fitted("behind 14 runs of team-a and 3 of team-b", 11, 120)
    assert text.endswith("…")
    assert width_of(text, 11) <= 120


def test_text_is_one_line_and_a_character_without_a_font_is_a_box() -> None:
    """No warning of matplotlib and no hole."""
    assert shown("a\n\tb") == "a b"
    assert shown("\U000e0041") == "□"
