"""Publishing to an SNS topic."""

from collections.abc import Callable, Mapping

from airflow.providers.amazon.aws.hooks.sns import SnsHook
from botocore.config import Config

from drs_provider.hooks.error_mapping import translated

Publish = Callable[[str, str, Mapping[str, str], str], None]
"""Publishes subject, message, attributes to filter by, and an id that is the same for the same message."""


def publisher(topic_arn: str, aws_conn_id: str, *, connect_seconds: float = 3, read_seconds: float = 6) -> Publish:
    """Make what publishes to a topic, in the topic's own Region. Looks the connection up now, not when it publishes.

    Tries once and not for long: whoever publishes decides whether to try again. Raises AwsError.
    """
    once = {"total_max_attempts": 1}
    config = Config(connect_timeout=connect_seconds, read_timeout=read_seconds, retries=once)  # type: ignore[arg-type]
    hook = SnsHook(aws_conn_id=aws_conn_id, region_name=topic_arn.split(":")[3], config=config)
    with translated("Publish"):
        hook.get_conn()
    is_fifo = topic_arn.endswith(".fifo")

    def publish(subject: str, message: str, attributes: Mapping[str, str], message_id: str) -> None:
        with translated("Publish"):
            hook.publish_to_target(
                target_arn=topic_arn,
                message=message,
                subject=subject,
                message_attributes=dict(attributes),
                message_deduplication_id=message_id if is_fifo else None,
                message_group_id="drs" if is_fifo else None,
            )

    return publish
