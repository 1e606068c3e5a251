"""Protection groups: reading them with where they are written, and changing them in their files."""
