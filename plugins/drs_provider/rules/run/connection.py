"""Which account and Region is asked, and how: the four AWS arguments of a task as a hook takes them."""

from typing import TypedDict

from pydantic import JsonValue


class AwsArguments(TypedDict):
    """Keyword arguments of ``DrsHook`` and its kin.

    ``aws_conn_id``: Airflow connection. ``region_name``: None: the connection's. ``verify``: TLS verification, as in
    boto3. ``config``: keyword arguments of ``botocore.config.Config``.
    """

    aws_conn_id: str | None
    region_name: str | None
    verify: bool | str | None
    config: dict[str, JsonValue] | None


def aws_in(own: AwsArguments, aws_conn_id: str | None, region: str | None) -> AwsArguments:
    """Return the arguments for another account and Region: a task's own but for what the other names."""
    return {
        **own,
        "aws_conn_id": aws_conn_id or own["aws_conn_id"],
        "region_name": region or own["region_name"],
    }
