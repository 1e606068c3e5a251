"""AWS's refusals in this package's errors."""

import botocore.session
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, NoCredentialsError
from drs_provider import exceptions as errors
from drs_provider.hooks.error_mapping import BY_CODE, translated

DRS = botocore.session.get_session().get_service_model("drs")


def refused(code, status=400, headers=None, **more):
    answer = {
        "Error": {"Code": code, "Message": "because"},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers or {}},
        **more,
    }
    with pytest.raises(errors.AwsError) as caught, translated("StartRecovery"):
        raise ClientError(answer, "StartRecovery")
    return caught.value


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ConflictException", 409, errors.Conflict),
        ("ServiceQuotaExceededException", 402, errors.QuotaExceeded),
        ("ThrottlingException", 429, errors.Throttled),
        ("InternalServerException", 500, errors.ServiceUnavailable),
        ("ValidationException", 400, errors.AwsError),
        ("ResourceNotFoundException", 404, errors.NotFound),
        ("AccessDeniedException", 403, errors.AccessDenied),
        ("UninitializedAccountException", 400, errors.NotInitialized),
        ("ExpiredTokenException", 403, errors.CredentialsExpired),
        ("UnauthorizedOperation", 403, errors.AccessDenied),
        ("SomethingNew", 400, errors.AwsError),
        ("SomethingNew", 503, errors.ServiceUnavailable),
        ("500", 500, errors.ServiceUnavailable),
    ],
)
def test_every_refusal_is_told_by_its_code(code, status, kind):
    error = refused(code, status)

    assert type(error) is kind
    assert (error.operation, error.code, error.message) == ("StartRecovery", code, "because")
    assert isinstance(error.__cause__, ClientError)


@pytest.mark.parametrize("shape", [shape.name for shape in DRS.error_shapes])
def test_every_modelled_error_of_drs_has_a_meaning(shape):
    assert shape in BY_CODE or shape == "ValidationException"


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [
        ({"headers": {"retry-after": "7"}}, 7.0),
        ({"retryAfterSeconds": "3"}, 3.0),
        ({"headers": {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_where_it_is_a_number(arguments, seconds):
    assert refused("ThrottlingException", 429, **arguments).retry_after_seconds == seconds


@pytest.mark.parametrize(
    "raised", [EndpointConnectionError(endpoint_url="https://x"), ConnectTimeoutError(endpoint_url="https://x")]
)
def test_no_answer_means_that_the_call_may_have_had_its_effect(raised):
    with pytest.raises(errors.ServiceUnavailable) as caught, translated("StartRecovery"):
        raise raised

    assert caught.value.retryable


def test_a_request_that_never_left_is_no_reason_to_try_again():
    with pytest.raises(errors.AwsError) as caught, translated("StartRecovery"):
        raise NoCredentialsError

    assert not caught.value.retryable
    assert str(caught.value) == "StartRecovery: NoCredentialsError: Unable to locate credentials"
