"""What a caller hears whose request is not signed, or signed for nothing that exists, or cannot be read at all."""

import http.client
import json

import pytest
from drs_simulator.protocol.signature import scope_of

SCOPE = "AWS4-HMAC-SHA256 Credential={}, SignedHeaders=host, Signature=0"
GOOD = SCOPE.format("AKIAEXAMPLE/20261123/us-west-2/drs/aws4_request")


def ask(sim, method, path, body=b"{}", **headers):
    connection = http.client.HTTPConnection(sim.url.removeprefix("http://"), timeout=10)
    connection.request(method, path, body, {"Content-Type": "application/json"} | headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, answer.headers.get("x-amzn-ErrorType"), content


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("garbage", "IncompleteSignatureException"),
        ("Bearer token", "IncompleteSignatureException"),
        (SCOPE.format("AKIA/20261123//drs/aws4_request"), "IncompleteSignatureException"),
        (SCOPE.format("/20261123/us-west-2/drs/aws4_request"), "UnrecognizedClientException"),
        (SCOPE.format("AKIA/20261123/mars-north-7/drs/aws4_request"), "InvalidSignatureException"),
    ],
)
def test_a_signature_that_says_nothing_usable_is_refused(running, authorization, code):
    status, said, _ = ask(running, "POST", "/DescribeJobs", Authorization=authorization)

    assert (status, said) == (403, code)


@pytest.mark.parametrize("path", ["/StartRecovery", "/DescribeJobs", "/nowhere"])
def test_an_unsigned_request_is_told_that_it_lacks_a_token(running, path):
    status, said, body = ask(running, "POST", path)

    assert (status, said) == (403, "MissingAuthenticationTokenException")
    assert json.loads(body)["message"] == "Missing Authentication Token"


def test_an_unsigned_request_of_the_query_protocol_is_told_so_in_xml(running):
    status, _, body = ask(
        running, "POST", "/", b"Action=GetCallerIdentity", **{"Content-Type": "application/x-www-form-urlencoded"}
    )

    assert status == 403
    assert b"<Code>MissingAuthenticationToken</Code>" in body


@pytest.mark.parametrize(
    "body",
    [b"{", b"[" * 100_000, b'{"filters":' * 20_000, b"\xff\xfe", b'{"maxResults":' + b"9" * 30 + b"}", b"[]"],
    ids=["cut off", "nested lists", "nested objects", "no text", "a number beyond 32 bits", "a list"],
)
def test_a_body_that_cannot_be_read_is_a_validation_error(running, body):
    assert ask(running, "POST", "/DescribeJobs", body, Authorization=GOOD)[:2] == (400, "ValidationException")


@pytest.mark.parametrize("member", ["fromDate", "toDate"])
@pytest.mark.parametrize("text", ["2026-02-31T00:00:00Z", "99999-01-01T00:00:00Z"])
def test_a_date_that_fits_the_pattern_but_no_calendar_is_a_validation_error(running, member, text):
    body = json.dumps({"filters": {member: text}}).encode()

    status, said, content = ask(running, "POST", "/DescribeJobs", body, Authorization=GOOD)

    assert (status, said) == (400, "ValidationException")
    assert json.loads(content)["fieldList"][0]["name"] == f"filters.{member}"


def test_a_presigned_urls_scope_is_read_from_its_query():
    scope = scope_of({}, "X-Amz-Credential=AKIAEXAMPLE%2F20261123%2Feu-west-1%2Fs3%2Faws4_request")

    assert (scope.access_key, scope.region, scope.service, scope.fault) == ("AKIAEXAMPLE", "eu-west-1", "s3", None)
