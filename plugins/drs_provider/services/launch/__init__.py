"""Launching: start exactly once, remember, follow a wave, protect and tag what was launched."""
