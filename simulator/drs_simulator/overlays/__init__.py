"""Behaviour laid over moto's services, one file per service; `install` puts all of it in place."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from drs_simulator.overlays import (
    alarms,
    credentials,
    ec2_health,
    iam_policies,
    lambda_functions,
    launch_templates,
    managed_nodes,
    network_edges,
    ops_items,
    service_quotas,
    settings,
    ssm_automations,
    ssm_commands,
    ssm_documents,
    ssm_listing,
    vpc_deletes,
    vpc_endpoints,
)

if TYPE_CHECKING:
    from drs_simulator.simulator import Simulator

OVERLAYS = (
    alarms,
    credentials,
    ec2_health,
    iam_policies,
    launch_templates,
    managed_nodes,
    network_edges,
    ops_items,
    service_quotas,
    ssm_automations,
    ssm_commands,
    ssm_documents,
    ssm_listing,
    vpc_deletes,
    vpc_endpoints,
)
"""Every overlay that needs nothing but the simulator: a module with ``install(simulator)``."""


def install(simulator: "Simulator", lambda_code: Sequence[Path] = ()) -> None:
    """Lay every overlay over moto. Raises BadInput where the fleet file's words for a neighbour cannot be read.

    :param lambda_code: Python files whose functions the fleet file and the control plane may name for Lambda.
    """
    settings.ensure_readable(simulator.world.fleet)
    for overlay in OVERLAYS:
        overlay.install(simulator)
    lambda_functions.install(simulator, lambda_code)
