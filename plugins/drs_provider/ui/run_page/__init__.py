"""Parts of a run's page: what may be done, what has happened, where to look further, and who may do what."""
