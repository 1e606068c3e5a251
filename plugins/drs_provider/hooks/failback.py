"""The door to the way back: reversal, failback clients, the ends of replication, and the origin's EC2 instances."""

from collections.abc import Mapping, Sequence
from typing import Any

from drs_provider.exceptions import NotFound
from drs_provider.hooks.drs import MOST_NAMED_INSTANCES, DrsHook, in_batches, states_after
from drs_provider.hooks.error_mapping import translated
from drs_provider.rules.answers import Answer
from drs_provider.rules.failback.answers import ClientReplication, InternetProtocol, ReplicationChange, ReversedServer


class FailbackHook(DrsHook):
    """A :class:`DrsHook` that also goes back. One account and Region, like every hook: the way back needs two.

    ReverseReplication, StartFailbackLaunch and StartReplication have no client token and are refused the second time:
    they are sent once, and after a lost answer (ServiceUnavailable) whoever called looks at what is there. The other
    calls say the same thing twice and are repeated for a while, as reads are.
    """

    # -- reversal -------------------------------------------------------------------------------------------

    def reverse_replication(self, instance_id: str) -> ReversedServer:
        """Begin to replicate a recovered instance (from EC2) to where its server came from, or a failed-back one again.

        Sent once. Conflict: DRS has not seen the instance's agent yet, or replicates it already.

        :param instance_id: the recovery instance, in this hook's account and Region
        """
        with translated("ReverseReplication"):
            answer: Answer = self._sent_once.reverse_replication(recoveryInstanceID=instance_id)
        return ReversedServer.of(answer)

    def start_replication(self, server_id: str) -> ReplicationChange:
        """Start a server's replication after it was stopped: every disk is copied again. Sent once."""
        with translated("StartReplication"):
            answer: Answer = self._sent_once.start_replication(sourceServerID=server_id)
        return ReplicationChange.of(server_id, answer)

    def stop_replication(self, server_id: str) -> ReplicationChange:
        """Stop a server's replication: **DRS deletes its recovery points**."""
        with translated("StopReplication"):
            answer: Answer = self.conn.stop_replication(sourceServerID=server_id)
        return ReplicationChange.of(server_id, answer)

    # -- failback clients (servers from data centres) -------------------------------------------------------

    def start_failback_launch(self, instance_ids: Sequence[str], *, tags: Mapping[str, str]) -> Answer:
        """Ask DRS once to convert the failback clients of at most 200 recovery instances and reboot them; the job."""
        with translated("StartFailbackLaunch"):
            answer = self._sent_once.start_failback_launch(recoveryInstanceIDs=list(instance_ids), tags=dict(tags))
        return answer["job"]

    def stop_failback(self, instance_id: str) -> None:
        """End the failback of a recovery instance; its failback client has to be booted again for another one."""
        with translated("StopFailback"):
            self.conn.stop_failback(recoveryInstanceID=instance_id)

    def client_replication(self, instance_id: str) -> ClientReplication:
        """Return how a recovery instance replicates to its failback client."""
        with translated("GetFailbackReplicationConfiguration"):
            answer: Answer = self.conn.get_failback_replication_configuration(recoveryInstanceID=instance_id)
        return ClientReplication.of(answer)

    def update_client_replication(
        self,
        instance_id: str,
        *,
        name: str | None = None,
        bandwidth_mbps: int | None = None,
        uses_private_ip: bool | None = None,
        internet_protocol: InternetProtocol | None = None,
    ) -> None:
        """Change how a recovery instance replicates to its failback client; what is None stays as it is."""
        given: dict[str, Any] = {
            "name": name,
            "bandwidthThrottling": bandwidth_mbps,
            "usePrivateIP": uses_private_ip,
            "internetProtocol": internet_protocol,
        }
        changes = {member: value for member, value in given.items() if value is not None}
        with translated("UpdateFailbackReplicationConfiguration"):
            self.conn.update_failback_replication_configuration(recoveryInstanceID=instance_id, **changes)

    # -- records ----------------------------------------------------------------------------------------------

    def disconnect_instance(self, instance_id: str) -> None:
        """Part with a recovery instance: **it cannot be reversed any more**. The EC2 instance stays."""
        with translated("DisconnectRecoveryInstance"):
            self.conn.disconnect_recovery_instance(recoveryInstanceID=instance_id)

    def delete_instance_record(self, instance_id: str) -> bool:
        """Delete DRS's record of a recovery instance; the EC2 instance stays. False: DRS knows no such record."""
        try:
            with translated("DeleteRecoveryInstance"):
                self.conn.delete_recovery_instance(recoveryInstanceID=instance_id)
        except NotFound:
            return False
        return True

    def disconnect_server(self, server_id: str) -> None:
        """Disconnect a source server: **DRS deletes its recovery points and replication resources**."""
        with translated("DisconnectSourceServer"):
            self.conn.disconnect_source_server(sourceServerID=server_id)

    def delete_server(self, server_id: str) -> bool:
        """Delete a disconnected source server. False: DRS knows no such server."""
        try:
            with translated("DeleteSourceServer"):
                self.conn.delete_source_server(sourceServerID=server_id)
        except NotFound:
            return False
        return True

    # -- EC2 ----------------------------------------------------------------------------------------------------

    def stop_instances(self, instance_ids: Sequence[str]) -> Mapping[str, str]:
        """Ask EC2 to stop instances; return its word for the state of each now (``stopping``, ``stopped``).

        One id that EC2 does not know refuses the whole call.
        """
        states: dict[str, str] = {}
        for batch in in_batches(instance_ids, size=MOST_NAMED_INSTANCES):
            with translated("ec2:StopInstances"):
                answer = self._beside("ec2").stop_instances(InstanceIds=batch)
            states |= states_after(answer["StoppingInstances"])
        return states
