"""Answers that AWS never gave: a proxy's page, half of what was said, or nothing.

botocore reads what is no JSON as an answer in which everything is absent. DescribeJobs then says that there are no
jobs, and the next StartRecovery would be the second one. Such an answer is a 502 to everything above: a read is
repeated, and after a call with an effect it is looked for whether the effect is there.
"""

import json
from collections.abc import Mapping, MutableMapping
from typing import Any
from xml.etree import ElementTree as ET

SPOILT = 502
_SUCCESS = range(200, 300)
_READS = ("Describe", "List", "Get", "Batch")


def distrustful(client: Any) -> Any:
    """Return the client, which from now on refuses answers that are none of AWS's."""
    client.meta.events.register("before-parse", _mark, unique_id="drs-garbled-mark")
    client.meta.events.register("after-call", _refuse, unique_id="drs-garbled-refuse")
    return client


def is_garbled(body: bytes, *, protocol: str, must_speak: bool) -> bool:
    """Say whether this cannot be the body of an answer.

    :param protocol: botocore's name of the service's protocol; of those that it does not know all is believed
    :param must_speak: whether an empty body cannot be one either
    """
    if not body.strip():
        return must_speak
    if protocol in ("json", "rest-json"):
        try:
            return not isinstance(json.loads(body), Mapping)
        except ValueError:
            return True
    if protocol in ("ec2", "query"):
        try:
            return ET.fromstring(body).tag.rpartition("}")[2].lower() == "html"  # noqa: S314 - as botocore does
        except ET.ParseError:
            return True
    return False


def _mark(*, operation_model: Any, response_dict: MutableMapping[str, Any], **_: Any) -> None:
    """Turn a spoilt answer into a 502 without a body, before botocore makes sense of it."""
    body = response_dict["body"]
    if response_dict["status_code"] not in _SUCCESS or not isinstance(body, bytes) or _is_raw(operation_model):
        return
    protocol = operation_model.service_model.resolved_protocol
    must_speak = operation_model.name.startswith(_READS)
    if is_garbled(body, protocol=protocol, must_speak=must_speak):
        response_dict.update(status_code=SPOILT, body=b"")


def _refuse(*, http_response: Any, parsed: Mapping[str, Any], **_: Any) -> None:
    """Make botocore raise for what was marked: it goes by the status that came over the wire."""
    if parsed.get("ResponseMetadata", {}).get("HTTPStatusCode") == SPOILT:
        http_response.status_code = SPOILT


def _is_raw(operation_model: Any) -> bool:
    """Whether the body is the caller's own bytes, not a message."""
    shape = operation_model.output_shape
    payload = shape.serialization.get("payload") if shape is not None else None
    return bool(payload and shape.members[payload].type_name != "structure")
