"""Rolling back what a recovery launched: looking, terminating, putting settings back, seeing that sources replicate."""
