"""Floor 8. ``python -m lakebed`` is the command ``lakebed``."""

import sys

from .cli import main

sys.exit(main())
