"""AWS's refusals, in this package's errors."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError, ParamValidationError
from botocore.parsers import ResponseParserError

from drs_provider.exceptions import (
    AccessDenied,
    AwsError,
    Conflict,
    CredentialsExpired,
    NotFound,
    NotInitialized,
    QuotaExceeded,
    RoleRefused,
    ServiceUnavailable,
    Throttled,
)

NO_CAPACITY = (
    "InsufficientInstanceCapacity",
    "InsufficientReservedInstanceCapacity",
    "InsufficientHostCapacity",
    "InsufficientCapacityOnHost",
)
"""EC2's codes where it cannot run or start an instance now for want of machines."""

BY_CODE: Mapping[str, type[AwsError]] = {
    "ConflictException": Conflict,
    "ServiceQuotaExceededException": QuotaExceeded,
    "ThrottlingException": Throttled,
    "TooManyRequestsException": Throttled,
    "RequestLimitExceeded": Throttled,
    "Throttling": Throttled,
    "ThrottledException": Throttled,
    "RequestThrottled": Throttled,
    "RequestThrottledException": Throttled,
    "SlowDown": Throttled,
    "InternalServerException": ServiceUnavailable,
    "InternalFailure": ServiceUnavailable,
    "InternalError": ServiceUnavailable,
    "InternalServerError": ServiceUnavailable,
    "ServiceUnavailable": ServiceUnavailable,
    "ServiceUnavailableException": ServiceUnavailable,
    # EC2 says these with 500, and means that the same call will not do better in a moment.
    **dict.fromkeys(NO_CAPACITY, AwsError),
    "AccessDeniedException": AccessDenied,
    "AccessDenied": AccessDenied,
    "UnauthorizedOperation": AccessDenied,
    "ExpiredTokenException": CredentialsExpired,
    "ExpiredToken": CredentialsExpired,
    "RequestExpired": CredentialsExpired,
    "UninitializedAccountException": NotInitialized,
    "ResourceNotFoundException": NotFound,
    "NoSuchResourceException": NotFound,
}
"""By AWS's own code: botocore's exception classes differ by service, and some codes have none (drs-api, errors)."""

TAKES_ROLE = frozenset({"AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"})
"""The operations of STS that give out the session of a role."""

_NOT_AUTHORIZED = re.compile(r"User: (?P<caller>\S+) is not authorized to perform: \S+ on resource: (?P<role>\S+)")

_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500
_FINAL = (NoCredentialsError, NoRegionError, ParamValidationError)


@contextmanager
def translated(operation: str) -> Iterator[None]:
    """Raise this package's error for whatever botocore raises inside; the cause stays attached.

    Answers with a status of 500 and above or that cannot be read, time-outs and lost connections become
    ServiceUnavailable: the call may have had its effect. A request that never left (no credentials, no Region, invalid
    parameters) is a plain AwsError.
    """
    try:
        yield
    except ClientError as error:
        # A session renews its role in the middle of any call: then it is not that call which was refused.
        takes_role = error.operation_name in TAKES_ROLE
        raise (role_refusal(error) if takes_role else refusal_of(operation, error.response)) from error
    except (BotoCoreError, ResponseParserError) as error:
        raise unanswered(operation, error) from error


def unanswered(operation: str, error: Exception) -> AwsError:
    """Return the error for a call without an answer: lost on the way, or never sent."""
    kind = AwsError if isinstance(error, _FINAL) else ServiceUnavailable
    return kind(operation, type(error).__name__, str(error))


def refusal_of(operation: str, answer: Mapping[str, Any]) -> AwsError:
    """Return the error for an answer that is one, as botocore has parsed it."""
    code = str(answer.get("Error", {}).get("Code", "Unknown"))
    message = str(answer.get("Error", {}).get("Message", "")) or "AWS gave no message"
    metadata = answer.get("ResponseMetadata", {})
    kind = BY_CODE.get(code) or _by_status(int(metadata.get("HTTPStatusCode") or 0))
    return kind(operation, code, message, retry_after_seconds=_retry_after(answer, metadata))


@dataclass(frozen=True)
class AskedRole:
    """A role as a connection asks for it.

    :param arn: the role
    :param aws_conn_id: the Airflow connection; empty: not known
    :param sends_external_id: None: not known
    """

    arn: str = ""
    aws_conn_id: str = ""
    sends_external_id: bool | None = None


def role_refusal(error: ClientError, asked: AskedRole | None = None) -> AwsError:
    """Return the error for a role that STS did not give out: which role, to whom, and what to check.

    STS tells nobody whether the role, its trust policy or the ExternalId is wrong: it says the same for all. What is
    throttled or unavailable is no refusal, and stays what it is.
    """
    asked, operation = asked or AskedRole(), f"sts:{error.operation_name}"
    plain = refusal_of(operation, error.response)
    if plain.retryable:
        return plain
    said = _NOT_AUTHORIZED.search(plain.message)
    role, caller = asked.arn or (said["role"] if said else "the role"), said["caller"] if said else ""
    of = f" of connection {asked.aws_conn_id}" if asked.aws_conn_id else ""
    if isinstance(plain, AccessDenied):
        sent = {True: "the connection sends one", False: "the connection sends none", None: "assume_role_kwargs"}
        who = caller or "the caller"
        words = (
            f"{who} may not take {role}{of}. Check that the role exists, that its trust policy names {who} or its "
            f"account, that the ExternalId there is that of the connection ({sent[asked.sends_external_id]}), and that "
            f"{who} has permission for {operation} on the role"
        )
    elif "role chaining" in plain.message:
        words = (
            f"{role}{of}: {plain.message}. The connection itself works with a role, and a role that is taken from "
            "another role lasts an hour at most: remove DurationSeconds from assume_role_kwargs. A long run takes it "
            "again by itself"
        )
    elif "DurationSeconds" in plain.message:
        words = (
            f"{role}{of}: {plain.message}: lower DurationSeconds in assume_role_kwargs, or raise the role's longest "
            "session"
        )
    else:
        words = f"{role}{of}: {plain.message}"
    return RoleRefused(operation, plain.code, words)


def _by_status(status: int) -> type[AwsError]:
    if status == _TOO_MANY_REQUESTS:
        return Throttled
    return ServiceUnavailable if status >= _SERVER_ERROR else AwsError


def _retry_after(answer: Mapping[str, Any], metadata: Mapping[str, Any]) -> float | None:
    """Read Retry-After from the modelled member or the header; a date or nonsense counts as absent."""
    value = answer.get("retryAfterSeconds") or (metadata.get("HTTPHeaders") or {}).get("retry-after")
    try:
        return float(value) if value is not None else None
    except (TypeError, ValueError):
        return None
