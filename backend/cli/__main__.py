"""`python -m backend.cli`: the same as `tripwarden`, for when the script is not on the path."""

import sys

from backend.cli import main

sys.exit(main())
