"""`python -m jupyter_aicci.service`: return when a service of this home answers; `--foreground`: be it."""

import sys

from jupyter_aicci.service.start import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
