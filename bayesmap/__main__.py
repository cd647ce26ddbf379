"""``python -m bayesmap`` is the command ``bayesmap``."""

import sys

from bayesmap.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
