"""``python -m drs_provider.cli`` is ``drs``."""

import sys

from drs_provider.cli.main import main

sys.exit(main())
