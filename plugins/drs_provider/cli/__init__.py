"""The ``drs`` command: check, draw and describe recovery plans, and steer their runs."""
