"""A run of a recovery plan: its documents, state, shape and names."""
