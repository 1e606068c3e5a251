"""Faults: what can be written (`specification`), whether one strikes (`engine`), what it does (`effects`)."""
