"""AWS's refusals, in this package's errors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
    ServiceUnavailable,
    Throttled,
)

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
        raise refusal_of(operation, error.response) from error
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
