"""`python -m jupyter_aicci.cli`: the same as `aicci`."""

import sys

from jupyter_aicci.cli import main

sys.exit(main())
