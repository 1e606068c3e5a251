"""The Regions of AWS, as botocore knows them."""

from functools import cache

import botocore.session

from drs_simulator.strict_input import nearest


def known_region(name: str) -> str:
    """Return the name of an AWS Region. Raises ValueError for every other name: no client could sign for it."""
    if name not in known_regions():
        close = nearest(name, sorted(known_regions())) if name else ""
        raise ValueError(f"{name!r} is no AWS Region{close if close.startswith(' (did') else ''}")
    return name


@cache
def known_regions() -> frozenset[str]:
    """Return every Region of every partition that botocore knows."""
    session = botocore.session.get_session()
    return frozenset(
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("ec2", partition)
    )
