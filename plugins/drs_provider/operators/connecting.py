"""What every DRS operator and sensor has in common: the connection, and a hook that is imported when it is used."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drs_provider.aws.hook import DrsHook

AWS_FIELDS: tuple[str, ...] = ("aws_conn_id", "region_name", "verify")
"""Template fields that every operator has, named as in the amazon provider."""


class DrsConnected:
    """Mix in for operators and sensors: the four AWS arguments of the amazon provider, and ``hook``.

    The amazon provider's own bases (``AwsBaseOperator``, ``AwsBaseSensor``) import boto3 with the DAG file, and say of
    themselves that they are internal.

    :param aws_conn_id: Airflow connection with account, role, external id and endpoint
    :param region_name: the recovery Region; unset: the connection's
    :param verify: TLS verification, as in boto3
    :param botocore_config: keyword arguments of ``botocore.config.Config``
    """

    template_fields: Sequence[str] = AWS_FIELDS

    def __init__(
        self,
        *,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config

    @property
    def aws(self) -> dict[str, Any]:
        """The four arguments as one: ``DrsHook(**self.aws)``, also what a trigger is given."""
        return {
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
            "verify": self.verify,
            "config": self.botocore_config,
        }

    @cached_property
    def hook(self) -> "DrsHook":
        """The hook of this task's account and Region, made when first asked for."""
        from drs_provider.aws.hook import DrsHook  # noqa: PLC0415  (see the package's docstring)

        return DrsHook(**self.aws)
