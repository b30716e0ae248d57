"""Speed-up: how much faster more ranks are, measured, and forecast from a probe over nodes.

`measure` is what ran, `fit` and `predict` what would run, `mfu` how near the chip's peak, `frontier` what it costs.
Rule: a ratio says what it is of (weak or strong, which baseline, which batch); what cannot be said is refused with the reason.
Pure: imports model, timeline and numpy; drawing libraries only in figure.py and picture.py.
"""
