"""Behaviour laid over moto's services, one module or folder per service; `install` puts all of it in place."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from drs_simulator.neighbours import failback_clients, fleet_settings, iam_policies, service_quotas, sts_credentials
from drs_simulator.neighbours.awslambda import invocation
from drs_simulator.neighbours.cloudwatch import alarms
from drs_simulator.neighbours.ec2 import (
    instance_pages,
    launch_templates,
    network_edges,
    status_checks,
    vpc_deletion,
    vpc_endpoints,
)
from drs_simulator.neighbours.ssm import (
    automation_calls,
    command_calls,
    command_lists,
    document_calls,
    managed_nodes,
    ops_items,
)

if TYPE_CHECKING:
    from drs_simulator.backend.simulator import Simulator

OVERLAYS = (
    alarms,
    sts_credentials,
    status_checks,
    failback_clients,
    iam_policies,
    instance_pages,
    launch_templates,
    managed_nodes,
    network_edges,
    ops_items,
    service_quotas,
    automation_calls,
    command_calls,
    document_calls,
    command_lists,
    vpc_deletion,
    vpc_endpoints,
)
"""Every overlay that needs nothing but the simulator: a module with ``install(simulator)``."""


def install(simulator: "Simulator", lambda_code: Sequence[Path] = ()) -> None:
    """Lay every overlay over moto. Raises BadInput where the fleet file's words for a neighbour cannot be read.

    :param lambda_code: Python files whose functions the fleet file and the control plane may name for Lambda.
    """
    fleet_settings.ensure_readable(simulator.world.fleet)
    for overlay in OVERLAYS:
        overlay.install(simulator)
    invocation.install(simulator, lambda_code)
