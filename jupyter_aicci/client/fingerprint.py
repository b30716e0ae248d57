"""Which program it is: what runs must have in common to be compared, and forecast from each other.

In: the spec and the program. Out: 16 hex digits. Whatever changes what a step computes is in it: text, words, variables,
launcher, framework. What the person changes between sizes (nodes, ranks, shape, queue, limits) is not, and pushed values are
not: a batch is measured. Files of --workdir beside the program are not read.
"""

from __future__ import annotations

import hashlib
import json

from jupyter_aicci.client.program import Program
from jupyter_aicci.model.spec import RunSpec


def fingerprint(spec: RunSpec, program: Program) -> str:
    """The same for the same program."""
    parts = [program.text, spec.argv, sorted(spec.env), sorted(spec.data), spec.launcher, spec.framework]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
