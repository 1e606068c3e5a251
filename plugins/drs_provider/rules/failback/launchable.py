"""Which servers may be launched in their origin now, and why the others may not."""

from typing import Final, Literal, NamedTuple

from drs_provider.rules.failback.circle import Circle, ec2_id
from drs_provider.rules.failback.state import CircleState, Stage

LaunchKind = Literal["failback", "drill"]


class Launchable(NamedTuple):
    """Whether a server may be launched in its origin.

    :ivar why_not: words for people; empty: it may
    :ivar is_launched: a job launches it already: whose that is, is the launch's to find out
    :ivar is_back: it runs in its origin already, whoever launched it
    """

    why_not: str = ""
    is_launched: bool = False
    is_back: bool = False


_BACK: Final = frozenset({Stage.FAILED_BACK, Stage.REPROTECTING, Stage.REPROTECTED})


def launchable(state: CircleState, circle: Circle, kind: LaunchKind) -> Launchable:
    """Tell whether StartRecovery of its FAILBACK server may be asked for, as far as the circle says."""
    if state.stage is Stage.STUCK:
        return Launchable(state.why)
    if circle.server is not None and is_from_data_centre(circle):
        return Launchable("it came from a data centre: its failback client is converted (StartFailbackLaunch)")
    if circle.is_in_one_region:
        return Launchable(
            "it was recovered in the Region that it came from, where nothing is launched back: recover it again"
        )
    if state.stage is Stage.READY:
        return _without_drills(circle) if kind == "failback" else Launchable()
    if kind == "drill":
        return Launchable(f"it is {state.stage}: a failback drill launches what is ready, and production is elsewhere")
    return _on_its_way(state) or Launchable(f"it is {state.stage}, not {Stage.READY}: nothing can be launched there")


def convertible(state: CircleState, circle: Circle) -> Launchable:
    """Tell whether StartFailbackLaunch of its recovered instance may be asked for."""
    if state.stage is Stage.STUCK:
        return Launchable(state.why)
    if circle.server is not None and not is_from_data_centre(circle):
        return Launchable("it came from EC2: it is launched in its origin (StartRecovery of its FAILBACK server)")
    if state.stage is Stage.READY:
        return Launchable()
    why_not = f"it is {state.stage}, not {Stage.READY}: its failback client cannot be converted"
    return _on_its_way(state) or Launchable(why_not)


def going_back(state: CircleState, circle: Circle) -> Launchable:
    """Tell whether production of a server may go back for good, by whichever call that is."""
    by_client = circle.server is not None and is_from_data_centre(circle)
    return convertible(state, circle) if by_client else launchable(state, circle, "failback")


def is_from_data_centre(circle: Circle) -> bool:
    """Tell whether a server did not come from EC2."""
    return circle.origin_place is None or any(
        record.get("originEnvironment") == "ON_PREMISES" for record in circle.recovered
    )


def _on_its_way(state: CircleState) -> Launchable | None:
    if state.stage is Stage.LAUNCHING:
        return Launchable(is_launched=True)
    return Launchable(is_back=True) if state.stage in _BACK else None


def _without_drills(circle: Circle) -> Launchable:
    """Launch for good only beside no drill: DRS would terminate its instance, and its job holds the server."""
    if circle.launch is not None and circle.launch.is_drill:
        return Launchable(
            f"job {circle.launch.job_id} launches it for a failback drill: wait until that drill is cleaned up"
        )
    if circle.failback_drills:
        named = ", ".join(ec2_id(record) for record in circle.failback_drills)
        return Launchable(f"{named} of a failback drill runs in the origin: terminate it first")
    return Launchable()
