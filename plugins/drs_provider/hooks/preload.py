"""Reading once in a process what the first client of each service would read: its children have it, too."""

from drs_provider.hooks import launch_settings  # noqa: F401  # the hooks themselves
from drs_provider.hooks.session import NeighbourHook

SERVICES = ("drs", "ec2", "sts")
"""What nearly every task asks; their descriptions are most of what a client costs (``aws.sessions``)."""


def preload_clients() -> None:
    """Make the hooks and a client of each service, and forget them. Sends nothing and needs no credentials."""
    NeighbourHook(aws_conn_id=None, region_name="us-east-1", client_type="sts").preload(SERVICES)
