"""Behaviour laid over moto's services, one file per service; `install` puts all of it in place."""

from typing import TYPE_CHECKING

from drs_simulator.overlays import launch_templates, service_quotas

if TYPE_CHECKING:
    from drs_simulator.simulator import Simulator

OVERLAYS = (launch_templates, service_quotas)
"""Every overlay: a module with ``install(simulator)``."""


def install(simulator: "Simulator") -> None:
    """Lay every overlay over moto."""
    for overlay in OVERLAYS:
        overlay.install(simulator)
