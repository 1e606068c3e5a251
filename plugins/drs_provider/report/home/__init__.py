"""The end of a failback, arranged for reading."""
