"""STS's AssumeRole with its checks, and temporary credentials that expire."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from moto.iam.exceptions import EntityAlreadyExists
from moto.iam.models import iam_backends
from moto.sts.models import AssumedRole, sts_backends
from pydantic import BaseModel, ConfigDict, TypeAdapter

from drs_simulator.durations import Seconds
from drs_simulator.faults.effects import code_for
from drs_simulator.fleet.model import Fleet, Role
from drs_simulator.neighbours.answers import Asked, Refused, answers
from drs_simulator.protocol.call_log import AwsCall
from drs_simulator.protocol.error_replies import injected
from drs_simulator.protocol.wire import Reply
from drs_simulator.strict_input import checked
from drs_simulator.world.world import World

if TYPE_CHECKING:
    from drs_simulator.backend.simulator import Simulator

SHORTEST, LONGEST, CHAINED = 900, 43_200, 3_600
"""Seconds: bounds of DurationSeconds, and the limit of a role that is assumed with another role's credentials."""

INVALID_TOKEN = {
    "ec2": "AuthFailure",
    "sts": "InvalidClientTokenId",
    "iam": "InvalidClientTokenId",
    "s3": "InvalidAccessKeyId",
}
"""How a service says that it does not know a key or its token; the others say UnrecognizedClientException."""


class RoleSettings(BaseModel):
    """What the fleet file may say of a role beyond `name`, `trust` and `external_id`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_session: Seconds = 3600.0
    """Longest session, in seconds of the wall clock."""
    session: Seconds | None = None
    """Simulated time after which the credentials expire, whatever was asked for: at speed 60, `1h` is a minute.

    Without it they last for their DurationSeconds of the wall clock.
    """
    policy: dict[str, object] | None = None
    """What the role may do, as an IAM policy document; told by SimulatePrincipalPolicy, enforced nowhere."""
    denied: tuple[str, ...] = ()
    """Actions that the role may not do; without a `policy` it may do everything else."""


_SETTINGS: TypeAdapter[RoleSettings] = TypeAdapter(RoleSettings)


@dataclass
class Session:
    """Temporary credentials that STS gave out."""

    token: str
    expires: float
    """Second of the simulator's wall clock."""


def install(simulator: "Simulator") -> None:
    """Answer for AssumeRole, and refuse expired credentials at every service."""
    _ensure_readable(simulator.world.fleet)
    create_roles(simulator.world)
    simulator.overlays.on_reset(lambda: create_roles(simulator.world))
    simulator.overlays.gate(lambda call: _refusal(simulator, call))
    answers(simulator, "sts", {"AssumeRole": assume_role})


def _ensure_readable(fleet: Fleet) -> None:
    for account in fleet.accounts:
        for role in account.roles:
            settings_of(account.id, role)


def settings_of(account: str, role: Role) -> RoleSettings:
    """Return what the fleet file says of a role's sessions. Raises BadInput."""
    return checked(_SETTINGS, role.model_extra or {}, f"{account}: role {role.name!r}")


def sessions_of(world: World) -> dict[str, Session]:
    """Return the temporary credentials by access key."""
    kept: dict[str, Session] = world.neighbours.setdefault("sts_sessions", {})
    return kept


# -- roles --------------------------------------------------------------------------------------------------------


def create_roles(world: World) -> None:
    """Create the fleet file's roles in IAM, with trust policies: AssumeRole and `aws iam get-role` see the same."""
    for account in world.fleet.accounts:
        for role in account.roles:
            policy = json.dumps(trust_policy(account.id, role))
            longest = int(settings_of(account.id, role).max_session)
            try:
                iam_backends[account.id]["aws"].create_role(
                    role.name, policy, "/", None, "of the fleet file", [], str(longest)
                )
            except EntityAlreadyExists:
                continue  # two fleet files may name the same role
            for title, document in role_policies(settings_of(account.id, role)).items():
                iam_backends[account.id]["aws"].put_role_policy(role.name, title, json.dumps(document))


def role_policies(settings: RoleSettings) -> dict[str, dict[str, Any]]:
    """Return the role's inline policies by name; none where the fleet file says nothing of what it may do."""
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    found = {}
    if settings.policy or settings.denied:
        found["allowed"] = settings.policy or everything
    if settings.denied:
        statement = {"Effect": "Deny", "Action": list(settings.denied), "Resource": "*"}
        found["denied"] = {"Version": "2012-10-17", "Statement": [statement]}
    return found


def trust_policy(account: str, role: Role) -> dict[str, object]:
    """Return a role's trust policy: its `trust` or else its own account, and the ExternalId."""
    trusted = role.trust if isinstance(role.trust, list) else [role.trust or account]
    statement: dict[str, object] = {
        "Effect": "Allow",
        "Principal": {"AWS": [str(principal) for principal in trusted]},
        "Action": "sts:AssumeRole",
    }
    if role.external_id is not None:
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": role.external_id}}
    return {"Version": "2012-10-17", "Statement": [statement]}


def allows(policy: Any, caller: str, external_id: str | None) -> bool:
    """Whether a trust policy lets a caller (an ARN) assume the role. What is not understood does not allow."""
    statements = policy.get("Statement", [])
    verdicts = [
        statement.get("Effect")
        for statement in (statements if isinstance(statements, list) else [statements])
        if _is_about(statement, caller) and _conditions_hold(statement.get("Condition") or {}, external_id)
    ]
    return "Allow" in verdicts and "Deny" not in verdicts


def _is_about(statement: dict[str, Any], caller: str) -> bool:
    actions = several(statement.get("Action"))
    principal = statement.get("Principal")
    principals = ["*"] if principal == "*" else several((principal or {}).get("AWS"))
    return any(fnmatchcase("sts:AssumeRole", action) for action in actions) and any(
        _is_caller(str(principal), caller) for principal in principals
    )


def _is_caller(principal: str, caller: str) -> bool:
    account = caller.split(":")[4]
    if principal in {"*", account, f"arn:aws:iam::{account}:root", caller}:
        return True
    role = re.fullmatch(r"arn:aws:sts::(\d{12}):assumed-role/([^/]+)/.+", caller)
    return (
        role is not None
        and re.fullmatch(rf"arn:aws:iam::{role[1]}:role/(.+/)?{re.escape(role[2])}", principal) is not None
    )


def _conditions_hold(conditions: dict[str, dict[str, object]], external_id: str | None) -> bool:
    for operator, keys in conditions.items():
        for name, wanted in keys.items():
            if name != "sts:ExternalId" or operator not in {"StringEquals", "StringLike"}:
                return False
            fits = fnmatchcase if operator == "StringLike" else str.__eq__
            if external_id is None or not any(fits(external_id, str(pattern)) for pattern in several(wanted)):
                return False
    return True


def several(value: object) -> list[Any]:
    """Return what a policy may write as one or as several."""
    return value if isinstance(value, list) else [] if value is None else [value]


# -- AssumeRole ---------------------------------------------------------------------------------------------------


def assume_role(asked: Asked) -> dict[str, object]:
    """Give out credentials of a role that exists and trusts the caller."""
    request, world = asked.request, asked.world
    arn = str(request.get("RoleArn", ""))
    found = re.fullmatch(r"arn:aws:iam::(\d{12}):role/(?:.+/)?([\w+=,.@-]{1,64})", arn)
    if found is None:
        raise Refused("ValidationError", f"{arn} is invalid")
    caller_account, region = asked.key
    _, caller, _ = sts_backends[caller_account]["aws"].get_caller_identity(asked.call.access_key or "", region)
    role = next((role for role in iam_backends[found[1]]["aws"].roles.values() if role.arn == arn), None)
    if role is None or not allows(json.loads(role.assume_role_policy_document), caller, request.get("ExternalId")):
        # Whether the role, the principal or the ExternalId is wrong is not told: the real STS keeps it to itself too.
        raise Refused(
            "AccessDenied", f"User: {caller} is not authorized to perform: sts:AssumeRole on resource: {arn}", 403
        )
    duration = _duration(request, int(role.max_session_duration or SHORTEST), is_chained=":assumed-role/" in caller)
    name = str(request.get("RoleSessionName", ""))
    if not re.fullmatch(r"[\w+=,.@-]{2,64}", name):
        raise Refused(
            "ValidationError", f"Value '{name}' at 'roleSessionName' failed to satisfy constraint: [\\w+=,.@-]{{2,64}}"
        )
    given = sts_backends[caller_account]["aws"].assume_role(
        region, name, arn, request.get("Policy", ""), duration, request.get("ExternalId", "")
    )
    return _remembered(world, given, _lifetime(world, found[1], found[2], duration))


def _duration(request: dict[str, Any], longest: int, *, is_chained: bool) -> int:
    duration = int(request.get("DurationSeconds") or CHAINED)
    bound = "greater than or equal to 900" if duration < SHORTEST else "less than or equal to 43200"
    if not SHORTEST <= duration <= LONGEST:
        raise Refused(
            "ValidationError",
            f"1 validation error detected: Value '{duration}' at 'durationSeconds' failed to satisfy constraint: "
            f"Member must have value {bound}",
        )
    if duration > longest:
        raise Refused(
            "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )
    if is_chained and duration > CHAINED:
        raise Refused(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        )
    return duration


def _lifetime(world: World, account: str, name: str, duration: int) -> float:
    """Return for how many seconds of the wall clock credentials last."""
    roles = [role for owner in world.fleet.accounts if owner.id == account for role in owner.roles if role.name == name]
    simulated = settings_of(account, roles[0]).session if roles else None
    return duration if simulated is None else world.clock.real(simulated).total_seconds()


def _remembered(world: World, given: AssumedRole, lifetime: float) -> dict[str, Any]:
    expires = world.clock.wall() + lifetime
    given.expiration = datetime.fromtimestamp(expires, UTC).replace(tzinfo=None)
    sessions_of(world)[given.access_key_id] = Session(given.session_token, expires)
    return {
        "Credentials": {
            "AccessKeyId": given.access_key_id,
            "SecretAccessKey": given.secret_access_key,
            "SessionToken": given.session_token,
            "Expiration": datetime.fromtimestamp(expires, UTC),
        },
        "AssumedRoleUser": {"AssumedRoleId": given.user_id, "Arn": given.arn},
        "PackedPolicySize": 6,
    }


# -- every call ---------------------------------------------------------------------------------------------------


def _refusal(simulator: "Simulator", call: AwsCall) -> Reply | None:
    """Refuse a call with credentials of AssumeRole that have expired, or whose token is missing or not theirs."""
    world = simulator.world
    session = sessions_of(world).get(call.access_key or "")
    if session is None:
        return None
    if world.clock.wall() >= session.expires:
        code = code_for("expired_token", call.service)
        return injected(call, (code, 403, "The security token included in the request is expired"))
    if _token_of(call) != session.token:
        code = INVALID_TOKEN.get(call.service, "UnrecognizedClientException")
        return injected(call, (code, 403, "The security token included in the request is invalid."))
    return None


def _token_of(call: AwsCall) -> str | None:
    """Return the session token of a call; a presigned URL has it in the query."""
    return call.headers.get("x-amz-security-token") or dict(parse_qsl(call.query)).get("X-Amz-Security-Token")
