"""Addresses of pages of the AWS console, by the Region that they are in."""

from collections.abc import Mapping
from typing import Final

CONSOLE_DOMAINS: Final[Mapping[str, str]] = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


def console_url(path: str, *, region: str) -> str:
    """Return the address of a page of the DRS console; empty for a partition without a public console."""
    domain = CONSOLE_DOMAINS.get(partition_of(region))
    return f"https://{region}.{domain}/drs/home?region={region}#/{path}" if domain else ""


def partition_of(region: str) -> str:
    """Return the AWS partition of a Region, from how the Region is named."""
    for prefix, partition in {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "us-iso": "aws-iso"}.items():
        if region.startswith(prefix):
            return partition
    return "aws"
