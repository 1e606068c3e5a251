"""Writes an error in the protocol of whichever service the call was for."""

import json
from xml.sax.saxutils import escape

from drs_simulator.protocol.call_log import AwsCall
from drs_simulator.protocol.wire import Reply

EC2_STYLE = frozenset({"ec2"})
_EC2_VERSION = b"Version=2016-11-15"
"""What tells a form for EC2 where no signature names the service."""

QUERY_STYLE = frozenset(
    {"sts", "iam", "sns", "sqs", "monitoring", "cloudwatch", "cloudformation", "autoscaling", "elasticloadbalancing"}
)


def injected(call: AwsCall, error: tuple[str, int, str], retry_after: float | None = None) -> Reply:
    """Return a reply that says an error to the caller of a service."""
    code, status, message = error
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    is_form = "x-www-form-urlencoded" in call.headers.get("content-type", "")
    if call.service in EC2_STYLE or (call.service == "unknown" and _EC2_VERSION in call.body):
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Response><Errors><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error></Errors>"
            "<RequestID>simulated</RequestID></Response>"
        )
        return Reply(status, body.encode(), {"Content-Type": "text/xml", **headers})
    if call.service == "s3":
        body = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message><RequestId>simulated</RequestId></Error>"
        return Reply(status, body.encode(), {"Content-Type": "text/xml", **headers})
    if is_form or (call.service in QUERY_STYLE and "x-amz-target" not in call.headers):
        body = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
            "<RequestId>simulated</RequestId></ErrorResponse>"
        )
        return Reply(status, body.encode(), {"Content-Type": "text/xml", **headers})
    content_type = "application/x-amz-json-1.1" if "x-amz-target" in call.headers else "application/json"
    text = json.dumps({"__type": code, "message": message})
    return Reply(status, text.encode(), {"Content-Type": content_type, "x-amzn-ErrorType": code, **headers})


def garbled(reply: Reply, how: str) -> Reply:
    """Return what arrives of an answer: a proxy's page with 200 in its place, or its first half."""
    if how == "page":
        return Reply(200, b"<!DOCTYPE html><html><body>Please sign in<br></body></html>", {"Content-Type": "text/html"})
    kept = {name: value for name, value in reply.headers.items() if name.lower() != "content-length"}
    return Reply(reply.status, reply.body[: len(reply.body) // 2], kept)
