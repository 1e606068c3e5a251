"""What the commands have in common: where the plans are, and how to say that a command was used wrongly."""

import os
from pathlib import Path

PLANS_FOLDER = "DRS_PLANS_FOLDER"


class UsageError(Exception):
    """The command cannot do what its arguments ask for; exit code 2."""


def plans_folder() -> Path | None:
    """Give the folder that the environment names, or None."""
    named = os.environ.get(PLANS_FOLDER)
    return Path(named) if named else None
