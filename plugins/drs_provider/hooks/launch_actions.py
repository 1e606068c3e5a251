"""The door to DRS launch actions, and to the SSM documents and parameters that they name."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from drs_provider.exceptions import AccessDenied, AwsError, NotFound
from drs_provider.hooks.drs import DrsHook, in_batches, side_by_side
from drs_provider.hooks.error_mapping import translated
from drs_provider.rules.answers import Answer

if TYPE_CHECKING:
    from mypy_boto3_drs import DrsClient

MOST_PARAMETERS = 10
"""Names that one GetParameters takes."""


def list_launch_actions(client: "DrsClient", resource_id: str) -> tuple[Answer, ...]:
    """Return the launch actions of a source server (or of the launch configuration template), in their order."""
    with translated("ListLaunchActions"):
        pages = client.get_paginator("list_launch_actions").paginate(resourceId=resource_id)
        return tuple(item for page in pages for item in page.get("items", ()))


def all_launch_actions(hook: DrsHook, server_ids: Sequence[str]) -> dict[str, tuple[Answer, ...]]:
    """Return the launch actions of every one of these servers, which must exist: one call each, side by side."""
    client = hook.conn  # made once, before threads ask for it
    found = side_by_side(lambda server: list_launch_actions(client, server), server_ids)
    return dict(zip(server_ids, found, strict=True))


def launch_actions_in_passing(
    hook: DrsHook, server_ids: Sequence[str]
) -> tuple[dict[str, tuple[Answer, ...]], AwsError | None]:
    """Return the launch actions of as many of these servers as answer before the first refusal, and that refusal.

    For what is only shown: a recovery is not kept waiting for it, and an API that throttles is spared it.
    """
    client = hook.impatient
    refusals: list[AwsError] = []

    def ask(server: str) -> tuple[Answer, ...] | None:
        if refusals:
            return None
        try:
            return list_launch_actions(client, server)
        except AwsError as refusal:
            refusals.append(refusal)
            return None

    found = zip(server_ids, side_by_side(ask, server_ids), strict=True)
    return {server: items for server, items in found if items is not None}, next(iter(refusals), None)


def put_launch_action(hook: DrsHook, resource_id: str, action: Answer) -> Answer:
    """Add an action, or change the one with this id: sent twice, there is still one."""
    with translated("PutLaunchAction"):
        answer: Answer = hook.conn.put_launch_action(resourceId=resource_id, **action)
    return answer


def delete_launch_action(hook: DrsHook, resource_id: str, action_id: str) -> None:
    """Delete an action; one that is gone is passed over."""
    try:
        with translated("DeleteLaunchAction"):
            hook.conn.delete_launch_action(resourceId=resource_id, actionId=action_id)
    except NotFound:
        return


def missing_documents(hook: DrsHook, names: Sequence[str]) -> tuple[str, ...] | None:
    """Return those SSM documents that do not exist; None where the role may not look."""
    missing = []
    for name in names:
        try:
            with translated("ssm:DescribeDocument"):
                hook.beside("ssm").describe_document(Name=name)
        except AccessDenied:
            return None
        except AwsError as error:
            if error.code != "InvalidDocument":
                raise
            missing.append(name)
    return tuple(missing)


def missing_parameters(hook: DrsHook, names: Sequence[str]) -> tuple[str, ...] | None:
    """Return those SSM parameters that do not exist; None where the role may not look. Their values are not kept."""
    missing: list[str] = []
    try:
        for batch in in_batches(names, size=MOST_PARAMETERS):
            with translated("ssm:GetParameters"):
                missing += hook.beside("ssm").get_parameters(Names=batch)["InvalidParameters"]
    except AccessDenied:
        return None
    return tuple(missing)
