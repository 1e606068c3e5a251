"""How long parts of a run may take where nobody says."""

from datetime import timedelta

LONGEST_CLEAN_UP = timedelta(hours=2)
"""How long a clean-up goes on before it reports what is left."""
