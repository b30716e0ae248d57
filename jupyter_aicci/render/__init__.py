"""What the service answers, in words and tables: the same text in notebook, terminal and saved file.

Rule: JSON of the wire in (docs/explanation/processes-and-files.md 6 and 7), text or HTML out; no I/O, no clock,
no IPython. Imports `model` and pure functions below it.
"""
