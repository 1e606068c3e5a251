"""The tasks that bring production back to its origin, and end the way back there."""
