"""The end of a run: kept drills, clean-up, left-overs, report, verdict."""
