"""The REST API ``/drs/api/v1``: routes are thin and call the services that the command line uses."""
