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
from boto3.session import Session
from botocore.loaders import Loader, create_loader


@cache
def _loader(data_path: str | None) -> Loader:
    return create_loader(data_path)


class SharedModels:
    """Comes before a hook of the amazon provider among a class's bases: its sessions share the descriptions."""

    def get_session(self, *args: Any, **kwargs: Any) -> Any:
        """Return the session that the hook would give, aware of what others have read before."""
        session = super().get_session(*args, **kwargs)  # type: ignore[misc]  # the hook's, behind this class
        if isinstance(session, Session):
            core = session._session  # noqa: SLF001  # boto3 takes a loader in no other way; the provider's own do the same
            core.register_component("data_loader", _loader(core.get_config_variable("data_path")))
        return session


class NeighbourHook(SharedModels, AwsBaseHook):
    """The amazon provider's hook for the services beside DRS."""

    def preload(self, services: Iterable[str]) -> None:
        """Make a client of each service and forget it: what was read for it stays.

        Sends nothing and needs no credentials. The hook's configuration is part of it: to name its caller in the user
        agent, the amazon provider looks up the file of every module that is loaded, once in a process.
        """
        session, config = self.get_session(region_name=self.region_name), self._get_config()
        for service in services:
            login = {"aws_access_key_id": "unused", "aws_secret_access_key": "unused"}
            session.client(service, config=config, **login)


def read_once() -> None:
    """Share them from now on: a process that makes hundreds of short-lived sessions would parse them every time."""
    botocore.loaders.create_loader = cache(botocore.loaders.create_loader)
