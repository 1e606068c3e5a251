"""Faults: what can be written (`specification`), whether one strikes now (`engine`), what it does to a call (`effects`)."""
