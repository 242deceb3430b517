"""`python -m inferencekey.cli`, the same as `inferencekey`."""

import sys

from . import main

sys.exit(main())
