"""The tasks that steps of a plan become, one class for each kind."""
