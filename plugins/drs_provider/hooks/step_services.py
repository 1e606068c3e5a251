"""What steps ask of AWS: SSM, Lambda and EC2 of one account and Region, in this package's errors."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from botocore.config import Config

from drs_provider.exceptions import AwsError, NotFound, ServiceUnavailable
from drs_provider.hooks.drs import in_batches
from drs_provider.hooks.error_mapping import translated
from drs_provider.hooks.session import NeighbourHook
from drs_provider.rules.step_answers import AutomationExecution, Invocation

NEVER_SENT = ("EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError")
"""Codes of lost calls that never reached AWS, so that nothing can have happened."""

_ONCE = {"total_max_attempts": 1, "mode": "standard"}
_MOST_NODES = 50


class StepHook:
    """Ask SSM, Lambda and EC2. Reads keep botocore's retries; what has an effect is sent once.

    :param aws_conn_id: Airflow connection with account, role, external id and endpoint
    :param region_name: the Region; unset: the connection's
    """

    def __init__(self, *, aws_conn_id: str | None, region_name: str | None) -> None:
        self.aws_conn_id, self.region_name = aws_conn_id, region_name
        self._clients: dict[tuple[str, int | None], Any] = {}

    # -- SSM commands ---------------------------------------------------------------------------------------

    def online(self, instance_ids: Sequence[str]) -> set[str]:
        """Return those of these instances whose SSM agent answers."""
        return {str(node["InstanceId"]) for node in self._nodes(instance_ids)}

    def platforms(self, instance_ids: Sequence[str]) -> dict[str, str]:
        """Return the platform (Linux, Windows, MacOS) of those of these instances whose SSM agent answers."""
        return {node["InstanceId"]: str(node.get("PlatformType") or "Linux") for node in self._nodes(instance_ids)}

    def _nodes(self, instance_ids: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        for batch in in_batches(instance_ids, size=_MOST_NODES):
            with translated("ssm:DescribeInstanceInformation"):
                pages = self._client("ssm").get_paginator("describe_instance_information")
                for page in pages.paginate(Filters=[{"Key": "InstanceIds", "Values": batch}]):
                    yield from (node for node in page["InstanceInformationList"] if node["PingStatus"] == "Online")

    def send_command(
        self,
        document: str,
        parameters: Mapping[str, Sequence[str]],
        instance_ids: Sequence[str],
        *,
        comment: str,
        seconds: int,
    ) -> str:
        """Send a command once; return its id. All instances are tried, whatever happens on the others.

        :param seconds: how long SSM tries to deliver it
        """
        with translated("ssm:SendCommand"):
            answer = self._client("ssm", once=True).send_command(
                DocumentName=document,
                Parameters=_lists(parameters),
                InstanceIds=list(instance_ids),
                Comment=comment,
                TimeoutSeconds=max(30, min(seconds, 2_592_000)),
                MaxErrors="100%",
            )
        return str(answer["Command"]["CommandId"])

    def commands_since(self, since: datetime) -> dict[str, str]:
        """Return the commands of the account and Region since then: id by comment."""
        after = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with translated("ssm:ListCommands"):
            pages = self._client("ssm").get_paginator("list_commands")
            found = pages.paginate(Filters=[{"key": "InvokedAfter", "value": after}])
            return {command.get("Comment", ""): command["CommandId"] for page in found for command in page["Commands"]}

    def command_status(self, command_id: str) -> str:
        """Return SSM's status of a command; Pending while SSM does not show it yet."""
        with translated("ssm:ListCommands"):
            found = self._client("ssm").list_commands(CommandId=command_id)["Commands"]
        return str(found[0]["Status"]) if found else "Pending"

    def invocations(self, command_id: str) -> dict[str, Invocation]:
        """Return how a command went on each instance, with its output."""
        with translated("ssm:ListCommandInvocations"):
            pages = self._client("ssm").get_paginator("list_command_invocations")
            found = pages.paginate(CommandId=command_id, Details=True)
            return {item["InstanceId"]: item for page in found for item in page["CommandInvocations"]}

    def error_output(self, command_id: str, instance_id: str) -> str:
        """Return what a command wrote to stderr on one instance, else what it wrote to stdout."""
        with translated("ssm:GetCommandInvocation"):
            found = self._client("ssm").get_command_invocation(CommandId=command_id, InstanceId=instance_id)
        return str(found.get("StandardErrorContent") or found.get("StandardOutputContent") or "")

    def output(self, command_id: str, instance_id: str) -> tuple[str, str, str]:
        """Return how a command ended on one instance in SSM's word, and what it wrote to stdout and to stderr."""
        with translated("ssm:GetCommandInvocation"):
            found = self._client("ssm").get_command_invocation(CommandId=command_id, InstanceId=instance_id)
        status = str(found.get("StatusDetails") or found["Status"])
        return status, str(found.get("StandardOutputContent") or ""), str(found.get("StandardErrorContent") or "")

    def cancel_command(self, command_id: str) -> None:
        """Ask SSM to stop a command."""
        with translated("ssm:CancelCommand"):
            self._client("ssm").cancel_command(CommandId=command_id)

    # -- SSM automations ------------------------------------------------------------------------------------

    def start_automation(self, document: str, parameters: Mapping[str, Sequence[str]], *, token: str) -> str:
        """Start a runbook, or find the one that was started with this token; return its id."""
        with translated("ssm:StartAutomationExecution"):
            answer = self._client("ssm", once=True).start_automation_execution(
                DocumentName=document, Parameters=_lists(parameters), ClientToken=token
            )
        return str(answer["AutomationExecutionId"])

    def automation(self, execution_id: str) -> AutomationExecution:
        """Return a runbook's execution, with its steps."""
        with translated("ssm:GetAutomationExecution"):
            found = self._client("ssm").get_automation_execution(AutomationExecutionId=execution_id)
        execution: AutomationExecution = found["AutomationExecution"]
        return execution

    def stop_automation(self, execution_id: str) -> None:
        """Ask SSM to stop a runbook."""
        with translated("ssm:StopAutomationExecution"):
            self._client("ssm").stop_automation_execution(AutomationExecutionId=execution_id, Type="Cancel")

    # -- Lambda, EC2 ----------------------------------------------------------------------------------------

    def invoke(self, function: str, payload: bytes, *, seconds: float) -> tuple[str, str | None]:
        """Invoke a function once and wait for its answer; return the answer and Lambda's FunctionError.

        ServiceUnavailable with a code of ``NEVER_SENT`` had no effect; with another one nobody knows.
        """
        client = self._client("lambda", once=True, read_timeout=max(1, round(seconds)))
        with translated("lambda:Invoke"), _body_lost():
            answer = client.invoke(FunctionName=function, InvocationType="RequestResponse", Payload=payload)
            text = answer["Payload"].read().decode(errors="replace")
        return text, answer.get("FunctionError")

    def private_address(self, instance_id: str) -> str:
        """Return the private IPv4 address of an instance."""
        with translated("ec2:DescribeInstances"):
            # A filter, not InstanceIds: EC2 refuses an id that it does not know (yet).
            answer = self._client("ec2").describe_instances(Filters=[{"Name": "instance-id", "Values": [instance_id]}])
        found = [instance for part in answer["Reservations"] for instance in part["Instances"]]
        if not found or not found[0].get("PrivateIpAddress"):
            raise NotFound("ec2:DescribeInstances", "NoAddress", f"{instance_id} has no private address")
        return str(found[0]["PrivateIpAddress"])

    def stopped(self, instance_ids: Sequence[str]) -> set[str]:
        """Return those of some instances that are stopped, or are being stopped."""
        found: set[str] = set()
        for batch in in_batches(instance_ids, size=_MOST_NODES):
            with translated("ec2:DescribeInstances"):
                answer = self._client("ec2").describe_instances(Filters=[{"Name": "instance-id", "Values": batch}])
            instances = [instance for part in answer["Reservations"] for instance in part["Instances"]]
            found |= {node["InstanceId"] for node in instances if node["State"]["Name"] in ("stopping", "stopped")}
        return found

    def _client(self, service: str, *, once: bool = False, read_timeout: int | None = None) -> Any:
        key = (f"{service}{'!' * once}", read_timeout)
        if key not in self._clients:
            settings: dict[str, Any] = {"retries": _ONCE} if once else {}
            settings |= {"read_timeout": read_timeout, "tcp_keepalive": True} if read_timeout else {}
            hook = NeighbourHook(aws_conn_id=self.aws_conn_id, region_name=self.region_name, client_type=service)
            config = hook.config.merge(Config(**settings))
            self._clients[key] = hook.get_client_type(region_name=hook.conn_region_name, config=config)
        return self._clients[key]


def had_no_effect(error: AwsError) -> bool:
    """Tell whether a call that failed can have changed nothing: it was refused, or never reached AWS."""
    return not isinstance(error, ServiceUnavailable) or error.code in NEVER_SENT


@contextmanager
def _body_lost() -> Iterator[None]:
    """A connection that breaks while the body is read is a lost answer like any other."""
    try:
        yield
    except OSError as error:
        raise ServiceUnavailable("lambda:Invoke", type(error).__name__, str(error)) from error


def _lists(parameters: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {name: [str(value) for value in values] for name, values in parameters.items()}
