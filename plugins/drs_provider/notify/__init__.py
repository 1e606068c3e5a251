"""Telling people what happens in a run."""
