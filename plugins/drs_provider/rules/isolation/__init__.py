"""Proof that a drill's network has no way out, and the blueprint of such a network."""
