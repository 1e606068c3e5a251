"""botocore's descriptions of AWS's services, read from disk once for all sessions of a process."""

from functools import cache

import botocore.loaders


def read_once() -> None:
    """Share them from now on: a process that makes hundreds of short-lived sessions would parse them every time."""
    botocore.loaders.create_loader = cache(botocore.loaders.create_loader)
