"""Moved to ``rules.purpose``, where the rules of launches and settings may import it; this name goes."""

from drs_provider.rules.purpose import DRILL, PURPOSES, RECOVERY, Purpose, find_purpose, no_mode, purpose_of

__all__ = ["DRILL", "PURPOSES", "RECOVERY", "Purpose", "find_purpose", "no_mode", "purpose_of"]
