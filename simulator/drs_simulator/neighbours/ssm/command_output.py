"""A command's output in S3: where SendCommand names a bucket, each instance's output is put there when it has ended."""

import logging

from moto.core.exceptions import ServiceException
from moto.s3.models import s3_backends

from drs_simulator.neighbours.ssm.commands import Command, Invocation

logger = logging.getLogger(__name__)


def prefix_of(command: Command, invocation: Invocation) -> str | None:
    """Return where an instance's output goes, as ``bucket/prefix/command/instance``; None without a bucket."""
    bucket = command.request.get("OutputS3BucketName")
    if not bucket:
        return None
    folder = str(command.request.get("OutputS3KeyPrefix") or "").strip("/")
    return "/".join(part for part in (bucket, folder, command.id, invocation.instance_id) if part)


def put_output(command: Command, invocation: Invocation, plugin: str) -> None:
    """Put standard output and error into the command's bucket, as far as there is any."""
    where = prefix_of(command, invocation)
    if where is None:
        return
    bucket, _, folder = where.partition("/")
    step = plugin.replace(":", "")
    for name, text in (("stdout", invocation.stdout), ("stderr", invocation.stderr)):
        if not text:
            continue
        try:
            s3_backends[command.key[0]]["aws"].put_object(
                bucket, f"{folder}/{step}/0.{step}/{name}", text.encode(), disable_notification=True
            )
        except ServiceException as error:
            # The agent writes what it may; a bucket that is not there does not fail the command (Run Command guide).
            logger.warning("output of command %s was not put into %s: %s", command.id, bucket, error)
