"""Recorded workloads, and what the scheduler would have made of them.

`trace` reads a file into a `Trace`, `gangs` puts it on a cluster, `simulate` plays it in virtual time through the one
`scheduler.decide` that the live service calls, `metrics` says what came out, `figure` draws it; `openb` fills a
cluster until nothing fits.
Rule: pure, above `scheduler`; no clock, no I/O, no randomness without a seed. Files are read and written by faces.
(The room is not called `replay`, since `jupyter_aicci.replay(...)` is the function that notebooks call.)
"""
