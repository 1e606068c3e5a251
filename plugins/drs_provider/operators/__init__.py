"""Operators that start and end things in DRS.

No module in here, in ``sensors/``, ``triggers/`` or ``links/`` imports boto3, the amazon provider or ``aws/`` while it
is being imported: every task start parses the DAG file again, and that import alone costs more than the whole parse.
``operators/base.py`` holds the base that brings the hook in when it is first asked for.
"""
