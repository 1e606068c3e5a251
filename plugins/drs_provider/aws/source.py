"""The two calls that end a source server's replication for good."""

from drs_provider.aws.hook import DrsHook
from drs_provider.aws.refusals import translated


def stop_replication(hook: DrsHook, server_id: str) -> None:
    """Stop a server's replication: DRS deletes its recovery points."""
    with translated("StopReplication"):
        hook.conn.stop_replication(sourceServerID=server_id)


def disconnect(hook: DrsHook, server_id: str) -> None:
    """Disconnect a server from DRS: it deletes its recovery points and replication resources."""
    with translated("DisconnectSourceServer"):
        hook.conn.disconnect_source_server(sourceServerID=server_id)
