"""AWS sessions whose clients share what botocore knows of the services.

botocore reads the description of a service from its files for every session: 50 ms of CPU for DRS, 100 to 200 for EC2,
in every task. Read once in a process, it is there for all its sessions, and for every process that is forked from it
(``ui.preloading``): a client then costs about 10 ms.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

import botocore.loaders
from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowNotFoundException
from boto3.session import Session
from botocore.exceptions import ClientError
from botocore.loaders import Loader, create_loader

from drs_provider.exceptions import NotFound
from drs_provider.hooks.error_mapping import TAKES_ROLE, AskedRole, role_refusal


@cache
def _loader(data_path: str | None) -> Loader:
    return create_loader(data_path)


def _share(session: Session) -> None:
    core = session._session  # noqa: SLF001  # boto3 takes a loader in no other way; the provider's own do the same
    core.register_component("data_loader", _loader(core.get_config_variable("data_path")))


class SharedModels:
    """Comes before a hook of the amazon provider among a class's bases: its sessions share the descriptions."""

    def get_session(self, *args: Any, **kwargs: Any) -> Any:
        """Return the session that the hook would give, aware of what others have read before.

        :raises RoleRefused: STS did not give out the connection's role
        :raises NotFound: there is no such connection
        """
        try:
            session = super().get_session(*args, **kwargs)  # type: ignore[misc]  # the hook's, behind this class
        except ClientError as error:
            if error.operation_name not in TAKES_ROLE:
                raise
            raise role_refusal(error, self._asked_role()) from error
        if isinstance(session, Session):
            _share(session)
        return session

    @classmethod
    def get_connection(cls, conn_id: str) -> Any:
        """Return a connection, and never another one: without it the machine's own account would be asked.

        ``aws_default`` alone may be missing, which many leave out on purpose.

        :raises NotFound: there is no such connection
        """
        try:
            return super().get_connection(conn_id)  # type: ignore[misc]  # the hook's, behind this class
        except AirflowNotFoundException as error:
            if conn_id == AwsBaseHook.default_conn_name:
                raise
            why = f"there is none called {conn_id}: create it, or leave aws_conn_id out"
            raise NotFound("Airflow's connections", "NotFound", why) from error

    def _get_caller(self, target_function_name: str = "execute") -> str:
        """Return the class of the task that asks, for the user agent; ``Unknown`` outside of a task.

        In place of the amazon provider's search, which goes through modules and source files for everything on the
        stack, and finds nobody where a task goes on after it was deferred.
        """
        try:
            return type(get_current_context()["task"]).__name__
        except (RuntimeError, KeyError):
            return "Unknown"

    def _asked_role(self) -> AskedRole:
        connection = self.conn_config  # type: ignore[attr-defined]  # the hook's, behind this class
        return AskedRole(
            connection.role_arn or "",
            connection.conn_id or "",
            "ExternalId" in (connection.assume_role_kwargs or {}),
        )


class NeighbourHook(SharedModels, AwsBaseHook):
    """The amazon provider's hook for the services beside DRS."""

    def preload(self, services: Iterable[str]) -> None:
        """Make a client of each service and forget it: what was read for it stays.

        Sends nothing and needs no credentials. The hook's configuration is part of it: for the user agent, the amazon
        provider looks up its own version among all of Airflow's providers, once in a process.
        """
        # A session of the hook's would say in the log of every start that it has no connection.
        session: Any = Session(region_name=self.region_name)
        _share(session)
        config = self._get_config()
        for service in services:
            login = {"aws_access_key_id": "unused", "aws_secret_access_key": "unused"}
            session.client(service, config=config, **login)


def read_once() -> None:
    """Share them from now on: a process that makes hundreds of short-lived sessions would parse them every time."""
    botocore.loaders.create_loader = cache(botocore.loaders.create_loader)
