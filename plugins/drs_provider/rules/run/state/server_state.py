"""How far a server of a wave is."""

from dataclasses import dataclass

from drs_provider.rules.run.handover import FailbackServer
from drs_provider.rules.run.state.vocabulary import ServerStatus


@dataclass(frozen=True)
class ServerState:
    """One server of a wave.

    :param is_tolerated: it failed, and the wave goes through all the same
    :param job_id: the newest DRS job that was started for it
    :param event: the newest event of that job's log that says something of it, as DRS calls it, while it is launching;
        None: nobody has read it yet
    :param on_the_way: how far it is on its way back; None: the run is none, or nobody has looked yet
    """

    server_id: str
    hostname: str
    critical: bool
    status: ServerStatus
    reason: str | None = None
    is_tolerated: bool = False
    instance_id: str | None = None
    job_id: str | None = None
    event: str | None = None
    on_the_way: FailbackServer | None = None
