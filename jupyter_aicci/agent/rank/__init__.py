"""What happens inside a rank: the program as a real `__main__`, the `aicci` module of the cell, hooks, error record, values.

Rule: standard library only; a framework is touched where the program has imported it, never imported for its own sake.
"""
