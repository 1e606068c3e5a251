"""IAM's SimulatePrincipalPolicy, which moto has not: what the policies of a role or a user allow."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from moto.iam.models import iam_backends

from drs_simulator.neighbours.answers import Asked, Refused, answers
from drs_simulator.neighbours.sts_credentials import several

if TYPE_CHECKING:
    from drs_simulator.backend.simulator import Simulator

_PAGE = 100
_TEXT: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": str.__eq__,
    "StringLike": fnmatchcase,
    "ArnLike": fnmatchcase,
    "ArnEquals": fnmatchcase,
}


def install(simulator: "Simulator") -> None:
    """Answer for the simulation of a principal's policies."""
    answers(simulator, "iam", {"SimulatePrincipalPolicy": simulate_principal_policy})


def simulate_principal_policy(asked: Asked) -> dict[str, object]:
    """Evaluate every action on every resource. A principal without any policy may do everything, as calls may here."""
    request = asked.request
    policies = list(_policies(str(request.get("PolicySourceArn", ""))))
    context = {
        str(entry["ContextKeyName"]).lower(): [str(value) for value in entry.get("ContextKeyValues") or ()]
        for entry in request.get("ContextEntries") or ()
    }
    resources = [str(resource) for resource in request.get("ResourceArns") or ("*",)]
    results = [_result(policies, str(action), resources, context) for action in request.get("ActionNames") or ()]
    start = int(request.get("Marker") or 0)
    end = start + min(int(request.get("MaxItems") or _PAGE), _PAGE)
    answer: dict[str, object] = {"EvaluationResults": results[start:end], "IsTruncated": end < len(results)}
    return answer | ({"Marker": str(end)} if end < len(results) else {})


def _policies(arn: str) -> Iterator[Mapping[str, object]]:
    parts = arn.split(":", 5)
    kind, _, path = (parts[5] if len(parts) == 6 else "").partition("/")  # noqa: PLR2004  (an ARN has six parts)
    name = path.rpartition("/")[2]
    if kind not in {"role", "user"} or not name:
        raise Refused("InvalidInput", f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")
    backend = iam_backends[parts[4]]["aws"]
    if kind == "user":
        user = backend.users.get(name)
        if user is not None:
            yield from (json.loads(policy) for policy in user.policies.values())
            yield from map(_document, user.managed_policies.values())
        return
    role = next((role for role in backend.roles.values() if role.arn == arn), None)
    if role is None:
        raise Refused("NoSuchEntity", f"Role {name} does not exist", 404)
    yield from (json.loads(policy) for policy in role.policies.values())
    yield from map(_document, role.managed_policies.values())


def _document(policy: Any) -> Mapping[str, object]:
    """Return the default version of a managed policy."""
    found: Mapping[str, object] = json.loads(
        next(version.document for version in policy.versions if version.is_default)
    )
    return found


@dataclass
class _Verdict:
    decision: str = "implicitDeny"
    missing: set[str] = field(default_factory=set)


def _result(
    policies: list[Mapping[str, object]], action: str, resources: list[str], context: Mapping[str, list[str]]
) -> dict[str, object]:
    verdicts = [_decide(policies, action, resource, context) for resource in resources]
    allowed = all(verdict.decision == "allowed" for verdict in verdicts)
    denied = any(verdict.decision == "explicitDeny" for verdict in verdicts)
    result: dict[str, object] = {
        "EvalActionName": action,
        "EvalResourceName": resources[0],
        "EvalDecision": "allowed" if allowed else "explicitDeny" if denied else "implicitDeny",
        "MatchedStatements": [],
        "MissingContextValues": sorted(set().union(*(verdict.missing for verdict in verdicts))),
    }
    if len(resources) > 1:
        result["ResourceSpecificResults"] = [
            {
                "EvalResourceName": resource,
                "EvalResourceDecision": verdict.decision,
                "MatchedStatements": [],
                "MissingContextValues": sorted(verdict.missing),
            }
            for resource, verdict in zip(resources, verdicts, strict=True)
        ]
    return result


def _decide(
    policies: list[Mapping[str, object]], action: str, resource: str, context: Mapping[str, list[str]]
) -> _Verdict:
    if not policies:
        return _Verdict("allowed")
    verdict = _Verdict()
    for statement in (statement for policy in policies for statement in several(policy.get("Statement"))):
        if not _is_about(statement, action, resource):
            continue
        missing, holds = _conditions(statement.get("Condition") or {}, context)
        verdict.missing |= missing
        if not holds:
            continue
        if statement.get("Effect") == "Deny":
            return _Verdict("explicitDeny")
        verdict.decision = "allowed"
    return verdict


def _is_about(statement: Mapping[str, object], action: str, resource: str) -> bool:
    names = [str(action).lower() for action in several(statement.get("Action") or statement.get("NotAction"))]
    fits = any(fnmatchcase(action.lower(), pattern) for pattern in names)
    if fits == ("NotAction" in statement):
        return False
    kinds = [str(resource) for resource in several(statement.get("Resource") or statement.get("NotResource") or "*")]
    return any(fnmatchcase(resource, pattern) for pattern in kinds) != ("NotResource" in statement)


def _conditions(
    conditions: Mapping[str, Mapping[str, object]], context: Mapping[str, list[str]]
) -> tuple[set[str], bool]:
    """Return the keys that have no value, and whether all conditions hold. An operator not known here never holds.

    As IAM does: a key without a value never fits an operator that wants one, and always one that excludes values
    (``StringNotEquals``), one that ends with ``IfExists``, and ``ForAllValues``. ``Null`` asks for just that.
    """
    missing: set[str] = set()
    holds = True
    for operator, keys in conditions.items():
        quantifier, _, name = operator.rpartition(":")
        for key, wanted in keys.items():
            values = context.get(key.lower())
            if values is None:
                missing.add(key)
            holds &= _holds(quantifier, name, values, [str(pattern) for pattern in several(wanted)])
    return missing, holds


def _holds(quantifier: str, name: str, values: list[str] | None, wanted: list[str]) -> bool:
    if name == "Null":
        return (values is None) == (wanted[0].lower() == "true")
    base, is_optional = name.removesuffix("IfExists"), name.endswith("IfExists")
    is_negated = "Not" in base
    if not values:
        return is_optional or is_negated or quantifier == "ForAllValues"
    if base == "Bool":
        return values[0].lower() == wanted[0].lower()
    fits = _TEXT.get(base.replace("Not", ""))
    if fits is None:
        return False
    hits = [any(fits(value, pattern) for pattern in wanted) != is_negated for value in values]
    return any(hits) if quantifier == "ForAnyValue" else all(hits)
