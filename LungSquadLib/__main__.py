"""`python -m LungSquadLib` is `lungsquad`."""

import sys

from .cli import main

sys.exit(main())
