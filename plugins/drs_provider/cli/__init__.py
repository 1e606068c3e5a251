"""The ``drs`` command: check, draw and describe recovery plans."""
