"""The history of all runs as a page, and as routes of the REST API."""
