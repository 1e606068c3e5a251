"""What the API faults do to a call: pure, from the faults that strike to one decision."""

from dataclasses import dataclass

from drs_simulator.faults.engine import FaultEngine, Subject
from drs_simulator.faults.kinds import API


@dataclass(frozen=True)
class Effect:
    """What happens to a call."""

    wait: float = 0.0
    """Real seconds before anything else happens."""
    error: tuple[str, int, str] | None = None
    """Code, HTTP status and message that are answered; the service never sees the call."""
    retry_after: float | None = None
    drop_before: bool = False
    """The connection goes away; the service never sees the call."""
    drop_after: bool = False
    """The service does it, then the connection goes away."""
    wait_before_drop: float = 0.0
    garbled: str | None = None
    """The service does it; how its answer is spoilt."""


NOTHING = Effect()

SERVICE_CODES = {
    "throttle": {"drs": "ThrottlingException", "ec2": "RequestLimitExceeded", "*": "ThrottlingException"},
    "server_error": {
        "drs": "InternalServerException",
        "ec2": "InternalError",
        "ssm": "InternalServerError",
        "*": "InternalFailure",
    },
    "access_denied": {
        "ec2": "UnauthorizedOperation",
        "sts": "AccessDenied",
        "s3": "AccessDenied",
        "iam": "AccessDenied",
        "*": "AccessDeniedException",
    },
    "expired_token": {
        "ec2": "RequestExpired",
        "s3": "ExpiredToken",
        "sts": "ExpiredToken",
        "*": "ExpiredTokenException",
    },
    "outage": {"*": "ServiceUnavailable"},
}
"""The error code by which each service says it."""


def code_for(kind: str, service: str) -> str:
    """Return the error code of a service for a kind of fault."""
    return SERVICE_CODES[kind].get(service, SERVICE_CODES[kind]["*"])


def effect_on(engine: FaultEngine, subject: Subject) -> Effect:  # noqa: C901, PLR0911 - one line per kind of fault
    """Return what the faults in force do to this call. A delay and one other effect add up."""
    slow = engine.strike(frozenset({"latency"}), subject)
    wait = slow.fault.seconds + slow.fault.delay if slow is not None and slow.fault.do == "latency" else 0.0
    armed = engine.strike(API - {"latency"}, subject)
    if armed is None:
        return Effect(wait=wait) if wait else NOTHING
    fault = armed.fault
    wait += fault.delay
    action = f"{subject.service}:{subject.operation}"
    match fault.do:
        case "throttle":
            code = code_for("throttle", subject.service)
            status = 503 if subject.service == "ec2" else 400 if subject.service not in {"drs", "lambda"} else 429
            return Effect(wait, (code, status, "Rate exceeded"), fault.retry_after)
        case "server_error":
            return Effect(
                wait,
                (code_for("server_error", subject.service), fault.status, "An internal error has occurred"),
                fault.retry_after,
            )
        case "access_denied":
            message = f"User is not authorized to perform: {action}"
            return Effect(wait, (code_for("access_denied", subject.service), 403, message))
        case "expired_token":
            code = code_for("expired_token", subject.service)
            return Effect(wait, (code, 403, "The security token included in the request is expired"))
        case "timeout":
            return Effect(wait, drop_before=not fault.commit, drop_after=fault.commit, wait_before_drop=fault.hold)
        case "outage":
            if fault.how == "drop":
                return Effect(wait, drop_before=True)
            return Effect(
                wait,
                (code_for("outage", subject.service), 503, f"{subject.service} is unavailable in {subject.region}"),
            )
        case "commit_then_drop":
            return Effect(wait, drop_after=True)
        case "garbled":
            return Effect(wait, garbled=fault.how)
    raise TypeError(f"{fault.do} is no fault of the API")
