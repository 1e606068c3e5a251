"""What a planned migration does with hooks: it looks for the last recovery points, and stops sources."""
