"""The launch settings of a server on its way back: what a plan, a group and a member say of its origin."""

from typing import TYPE_CHECKING

from drs_provider.plan.model import LaunchSettings, Member, ProtectionGroup, RecoveryPlan

if TYPE_CHECKING:
    from drs_provider.rules.settings.values import Settings


def failback_settings(plan: RecoveryPlan, group: ProtectionGroup, server_id: str) -> "Settings":
    """Return the effective settings of one server in its origin; a later layer replaces whole values, key by key."""
    member = next((member for member in group.servers if member.id == server_id), Member(id=server_id))
    layers = (
        plan.failback.launch if plan.failback else LaunchSettings(),
        group.failback_launch,
        member.failback_launch,
    )
    return {key: value for layer in layers for key, value in layer.model_dump(mode="json", exclude_none=True).items()}
