"""Instances that were launched and are no more when a run ends: nobody told it, so it looks."""

from typing import Final

from drs_provider.rules.answers import Answer
from drs_provider.rules.run.handover import LostInstance
from drs_provider.rules.run.handover.found_launches import STOPPED_IN_EC2
from drs_provider.rules.servers import is_live

GONE_IN_EC2: Final = frozenset({"terminated", "shutting-down"})
"""EC2's words for an instance that is no more, or will soon be none."""

_NOT_KNOWN: Final = "not known to EC2"


def lost_instance(
    named: str | None, described: Answer | None, ec2: str | None, *, was_running: bool
) -> LostInstance | None:
    """Say what has become of an instance that its wave found launched; None: EC2 still has it, as it was.

    EC2 decides, as it does at a clean-up: DRS may show an instance late, or not at all.

    :param named: id of the instance as the wave or the job's log knew it; None: nobody has ever named one
    :param described: its item of DescribeRecoveryInstances now; None: DRS does not show it
    :param ec2: EC2's word for its state now; None: EC2 does not know it
    :param was_running: whether its wave found it running, not stopped on purpose
    """
    if ec2 in GONE_IN_EC2:
        return LostInstance(instance_id=named, state=str(ec2))
    if ec2 in STOPPED_IN_EC2:
        return LostInstance(instance_id=named, state=str(ec2)) if was_running else None
    if ec2 is not None or (described is not None and is_live(described)):
        return None
    return LostInstance(instance_id=named, state=_NOT_KNOWN if named else "")
