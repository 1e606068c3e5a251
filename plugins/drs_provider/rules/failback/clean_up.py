"""What people agree to remove after a failback, and whether it still is what they have seen."""

from drs_provider.formatting import some
from drs_provider.rules.failback.circle import Circle, ec2_id
from drs_provider.rules.failback.removal import foreign_servers, production_instance
from drs_provider.rules.failback.state import CircleState, Stage
from drs_provider.rules.run.handover import ListedServer


def why_not_listed(state: CircleState, circle: Circle) -> str:
    """Say why nothing may be removed of a server; empty: it may, or there is nothing."""
    if state.stage in {Stage.REPROTECTED, Stage.RESTING, Stage.PROTECTED}:
        return "; ".join(foreign_servers(circle)) if state.stage is Stage.REPROTECTED else ""
    return state.why or f"it is {state.stage} and not protected again"


def listed_server(state: CircleState, circle: Circle, *, hostname: str) -> ListedServer | None:
    """Return what people see of a server; None: nothing of its way back is left."""
    if state.stage is not Stage.REPROTECTED or circle.is_in_one_region:
        return None
    place = circle.recovery.place
    return ListedServer(
        server_id=state.server_id,
        hostname=hostname,
        recovered=state.recovered,
        failback_servers=_failback_servers(circle),
        failed_back=production_instance(state, circle),
        protected_by=state.protected_by,
        account=place.account,
        region=place.region,
    )


def why_not_agreed(listed: ListedServer, state: CircleState, circle: Circle) -> str:
    """Say why what is there now is not what people have agreed to remove; empty: it is.

    What was listed and is gone has been removed already.
    """
    if state.stage in {Stage.RESTING, Stage.PROTECTED}:
        return ""
    recovered = tuple(ec2_id(record) for record in circle.recovered)
    pairs = (
        ("recovered instance", recovered, (listed.recovered,)),
        ("FAILBACK server", _failback_servers(circle), listed.failback_servers),
    )
    for what, now, then in pairs:
        if new := [name for name in now if name not in then]:
            return f"its {what} is {some(new)} now, and people have agreed to the end of {some(list(then)) or 'none'}"
    production = production_instance(state, circle)
    if production != listed.failed_back:
        return f"production runs on {production or 'an unknown instance'} now, and ran on {listed.failed_back} then"
    if state.protected_by and state.protected_by != listed.protected_by:
        return f"{state.protected_by} protects it now, and {listed.protected_by} did then"
    return ""


def _failback_servers(circle: Circle) -> tuple[str, ...]:
    """Return the ids of all of a server, not only of the one that its state is told by."""
    return tuple(str(server.get("sourceServerID")) for server in circle.failback_servers)
