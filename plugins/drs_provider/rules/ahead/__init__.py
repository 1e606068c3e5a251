"""Launching ahead of the waves, stopped: who may be, in which order, and when an instance is started."""
