"""The words of the house as frozen data: specs, shapes, states, events, placements, options, errors.

Rule 1: no I/O, no clock, no threads; only the standard library and this package are imported.
Rule 2: text from outside enters through `parse_*`, which returns the object or one `UserError` listing every defect;
inside, nothing is validated again.
Rule 3: units stand in names (`_s`, `_ns`, `_bytes`, `_micro`); formatting for people is `model.text` only.
"""
