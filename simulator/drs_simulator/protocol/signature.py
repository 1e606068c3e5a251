"""What a request says of its caller: access key, Region and service of its SigV4 scope, or why AWS would refuse it.

Signatures themselves are not checked: the simulator knows nobody's secret key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from drs_simulator.aws_regions import known_regions

Fault = tuple[str, int, str]
"""Error code, HTTP status and message."""

UNSIGNED_ACTIONS = frozenset({"AssumeRoleWithWebIdentity", "AssumeRoleWithSAML"})
"""Actions of the query protocol that nobody signs."""

QUERY_SERVICES = frozenset({"sts", "iam", "sns", "sqs", "monitoring", "cloudformation", "autoscaling"})


@dataclass(frozen=True)
class Scope:
    """Who calls which service where; `fault` is why the call must be refused."""

    access_key: str | None = None
    region: str = "us-east-1"
    service: str = "unknown"
    fault: Fault | None = None


def scope_of(headers: Mapping[str, str], query: str) -> Scope:
    """Read the scope from the Authorization header (names in lower case), or from a presigned URL's query."""
    authorization = headers.get("authorization", "")
    if "Credential=" in authorization:
        credential = authorization.split("Credential=", 1)[1].split(",", maxsplit=1)[0].strip()
    else:
        credential = dict(parse_qsl(query)).get("X-Amz-Credential", "")
    parts = credential.split("/")
    if len(parts) == 5 and all(parts[1:]):  # noqa: PLR2004 - key/date/region/service/aws4_request
        key, _, region, service, _ = parts
        return Scope(key or None, region, service.lower(), _fault_of(key, region, service.lower()))
    if authorization or credential:
        said = (
            "Authorization header requires 'Credential' parameter of the form key/date/region/service/aws4_request. "
            f"Authorization={authorization[:40]}"
        )
        return Scope(fault=("IncompleteSignatureException", 403, said))
    return Scope()


def _fault_of(key: str, region: str, service: str) -> Fault | None:
    is_query = service in QUERY_SERVICES
    if not key:
        code = (
            "AuthFailure" if service == "ec2" else "InvalidClientTokenId" if is_query else "UnrecognizedClientException"
        )
        return code, 403, "The security token included in the request is invalid."
    if service != "s3" and region not in known_regions():
        code = (
            "AuthFailure" if service == "ec2" else "SignatureDoesNotMatch" if is_query else "InvalidSignatureException"
        )
        return code, 403, f"Credential should be scoped to a valid region, not '{region}'."
    return None


def missing(method: str, headers: Mapping[str, str], action: str | None, *, is_drs: bool) -> Fault | None:
    """Return why a call without any signature is refused; None for what AWS takes from anybody.

    Anybody may read of S3 and post a form to it, and change a token of a web identity for credentials.
    """
    content_type = headers.get("content-type", "")
    if action in UNSIGNED_ACTIONS or content_type.startswith("multipart/form-data"):
        return None
    if action is not None and not is_drs and "x-amz-target" not in headers:
        return "MissingAuthenticationToken", 403, "Request is missing Authentication Token"
    if is_drs or action is not None or method not in {"GET", "HEAD", "PUT", "OPTIONS"}:
        return "MissingAuthenticationTokenException", 403, "Missing Authentication Token"
    return None
