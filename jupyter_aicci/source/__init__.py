"""What can be known about a program by reading it: is it Python, which framework, which names does it lack.

Rule: functions of the text and of what the caller says about the notebook; no I/O, no clock, nothing is executed.
`program.check_cell` and `program.check_script` are the ways in. Imports `model` and the standard library; IPython's
line grammar is imported inside the one function that needs it, and only for a cell that is not plain Python.
"""
