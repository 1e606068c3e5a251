"""What DRS's errors of replication on the way back mean, and what to do about each."""

from dataclasses import dataclass
from typing import Final

from drs_provider.formatting import plain
from drs_provider.rules.answers import Answer

_STAGING: Final = (
    "check the staging subnet and the replication settings template of the Region that is replicated to: what an "
    "earlier set-up has left there is used again"
)
_SERVICE: Final = "open TCP 443 from the staging subnet to DRS, S3 and EC2 of its Region, or give it their endpoints"
_AGENT: Final = "open TCP 1500 from the instance to the staging subnet"
_PROFILE: Final = (
    "check that it runs, reaches its metadata service and TCP 443 of DRS, and that its instance profile has "
    "AWSElasticDisasterRecoveryRecoveryInstancePolicy"
)
_CLIENT: Final = (
    "open TCP 1500 from the failback client to the recovery instance and 443 to DRS and S3, and boot it again"
)

REMEDIES: Final = {
    "AGENT_NOT_SEEN": (
        "DRS has no contact with the agent on the instance",
        _PROFILE,
    ),
    "FAILBACK_CLIENT_NOT_SEEN": (
        "DRS has no contact with the failback client",
        "it runs in the foreground: boot the machine from the failback client again, in a session that stays open",
    ),
    "NOT_CONVERGING": (
        "data changes faster than it is sent",
        "raise the bandwidth or the type of the replication server, or write less for a while",
    ),
    "UNSTABLE_NETWORK": (
        "the connection keeps breaking",
        "check the network between the instance and the staging area",
    ),
    "FAILED_GETTING_REPLICATION_STATE": (
        "DRS cannot read how far the replication is",
        "wait; if it stays, look at the server in DRS's console of the other Region",
    ),
    "SNAPSHOTS_FAILURE": (
        "DRS cannot take snapshots of the staging disks",
        "check the quota of EBS snapshots and KMS keys",
    ),
    "FAILED_TO_ESTABLISH_RECOVERY_INSTANCE_COMMUNICATION": ("client and instance do not reach each other", _CLIENT),
    "FAILED_TO_DOWNLOAD_REPLICATION_SOFTWARE_TO_FAILBACK_CLIENT": ("the client cannot load its software", _CLIENT),
    "FAILED_TO_CONFIGURE_REPLICATION_SOFTWARE": ("the software on the client could not be set up", _CLIENT),
    "FAILED_TO_PAIR_AGENT_WITH_REPLICATION_SOFTWARE": ("agent and client do not find each other", _CLIENT),
    "FAILED_TO_ESTABLISH_AGENT_REPLICATOR_SOFTWARE_COMMUNICATION": ("agent and client cannot talk", _CLIENT),
    "FAILED_TO_CREATE_SECURITY_GROUP": ("the staging area's security group could not be made", _STAGING),
    "FAILED_TO_LAUNCH_REPLICATION_SERVER": ("the replication server could not be launched", _STAGING),
    "FAILED_TO_BOOT_REPLICATION_SERVER": ("the replication server does not boot", _STAGING),
    "FAILED_TO_AUTHENTICATE_WITH_SERVICE": ("the replication server cannot sign in at DRS", _SERVICE),
    "FAILED_TO_DOWNLOAD_REPLICATION_SOFTWARE": ("the replication server cannot reach its software", _SERVICE),
    "FAILED_TO_CREATE_STAGING_DISKS": (
        "the staging disks could not be made",
        "check the quota of EBS volumes and KMS keys",
    ),
    "FAILED_TO_ATTACH_STAGING_DISKS": ("the staging disks could not be attached", "wait; DRS tries again"),
    "FAILED_TO_PAIR_REPLICATION_SERVER_WITH_AGENT": ("replication server and agent do not find each other", _AGENT),
    "FAILED_TO_CONNECT_AGENT_TO_REPLICATION_SERVER": ("the agent cannot reach the replication server", _AGENT),
    "FAILED_TO_START_DATA_TRANSFER": ("the transfer of data does not start", _AGENT),
}
"""By DRS's code, of source servers and of recovery instances: what it means, and what to do next."""


@dataclass(frozen=True)
class ReplicationError:
    """An error that DRS names of a replication.

    :param code: DRS's word; ``FAILED_TO_…`` also where only a step of the initiation says that it failed
    :param raw: what AWS itself said, made harmless; mostly empty
    """

    code: str
    raw: str = ""

    @classmethod
    def of(cls, replication: Answer) -> "ReplicationError | None":
        """Read ``dataReplicationInfo``; None: DRS names no error and no step has failed."""
        found = replication.get("dataReplicationError") or {}
        code = str(found.get("error") or "")
        if not code:
            steps = (replication.get("dataReplicationInitiation") or {}).get("steps") or ()
            code = next((f"FAILED_TO_{step.get('name')}" for step in steps if step.get("status") == "FAILED"), "")
        return cls(code, plain(str(found.get("rawError") or ""))) if code else None

    @property
    def words(self) -> str:
        """Code, meaning and what to do, as one sentence."""
        meaning, remedy = REMEDIES.get(self.code, ("", "look at the server in DRS's console"))
        said = ": ".join(part for part in (self.code, meaning) if part)
        return f"{said}{f' ({self.raw})' if self.raw else ''}: {remedy}"
