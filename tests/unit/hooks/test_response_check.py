"""What can be the body of an answer of AWS, and what cannot."""

import pytest
from botocore.parsers import ResponseParserError
from drs_provider.exceptions import ServiceUnavailable
from drs_provider.hooks.error_mapping import translated
from drs_provider.hooks.response_check import is_garbled

PAGE = b"<!DOCTYPE html><html><body>Please sign in<br></body></html>"


@pytest.mark.parametrize(
    ("protocol", "body", "expected"),
    [
        ("rest-json", b'{"items": []}', False),
        ("rest-json", b'{"items": [', True),
        ("rest-json", b"[]", True),
        ("rest-json", PAGE, True),
        ("json", PAGE, True),
        ("json", b"{}", False),
        ("ec2", b"<DescribeInstancesResponse/>", False),
        ("ec2", b"<DescribeInstancesResponse><reservationSet>", True),
        ("ec2", PAGE, True),
        ("query", b'<html xmlns="http://www.w3.org/1999/xhtml"><body/></html>', True),
        ("rest-xml", PAGE, False),
        ("rest-json", b" ", True),
    ],
)
def test_an_answer_is_in_the_services_own_language(protocol, body, expected):
    assert is_garbled(body, protocol=protocol, must_speak=True) is expected


def test_a_call_that_only_does_something_may_have_an_empty_answer():
    assert not is_garbled(b"", protocol="rest-json", must_speak=False)


def test_what_botocore_cannot_read_may_have_had_its_effect():
    with (
        pytest.raises(ServiceUnavailable, match=r"^AssumeRole: ResponseParserError: no XML$"),
        translated("AssumeRole"),
    ):
        raise ResponseParserError("no XML")
