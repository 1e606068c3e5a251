"""The generic half of this project, laid out as the projects have it that it might go to (docs/upstream.md)."""
