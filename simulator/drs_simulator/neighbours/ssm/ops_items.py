"""SSM's OpsItems: kept as they were created."""

from typing import TYPE_CHECKING, Any

from drs_simulator.neighbours.answers import Asked, Refused, answers
from drs_simulator.neighbours.identifiers import fresh_hex
from drs_simulator.world.resources import Key
from drs_simulator.world.world import World

if TYPE_CHECKING:
    from drs_simulator.backend.simulator import Simulator

MEMBERS: tuple[str, ...] = (
    "Title", "Source", "Description", "OperationalData", "Notifications", "Priority", "RelatedOpsItems", "Category",
    "Severity", "OpsItemType",
)  # fmt: skip
"""What of a request is kept."""


def install(simulator: "Simulator") -> None:
    """Answer for CreateOpsItem and GetOpsItem."""
    answers(simulator, "ssm", {"CreateOpsItem": create_ops_item, "GetOpsItem": get_ops_item})


def _items(world: World, key: Key) -> dict[str, dict[str, object]]:
    kept: dict[Key, dict[str, dict[str, Any]]] = world.neighbours.setdefault("ssm_ops_items", {})
    return kept.setdefault(key, {})


def create_ops_item(asked: Asked) -> dict[str, object]:
    """Keep an OpsItem; one with the same ``/aws/dedup`` string that is open is refused."""
    request, (account, region) = asked.request, asked.key
    known = _items(asked.world, asked.key)
    dedup = _dedup(request)
    twin = next((name for name, item in known.items() if dedup and _dedup(item) == dedup), None)
    if twin is not None:
        raise Refused("OpsItemAlreadyExistsException", f"A similar OpsItem already exists. OpsItem ID: {twin}")
    name = f"oi-{fresh_hex(asked.world, 12)}"
    moment = asked.world.clock.now()
    kept = {member: request[member] for member in MEMBERS if member in request}
    arn = f"arn:aws:ssm:{region}:{account}:opsitem/{name}"
    known[name] = {
        "OpsItemType": "/aws/issue",
        **kept,
        "OpsItemId": name,
        "OpsItemArn": arn,
        "Status": "Open",
        "Version": "1",
        "CreatedTime": moment,
        "LastModifiedTime": moment,
    }
    return {"OpsItemId": name, "OpsItemArn": arn}


def _dedup(item: dict[str, Any]) -> str | None:
    return ((item.get("OperationalData") or {}).get("/aws/dedup") or {}).get("Value")


def get_ops_item(asked: Asked) -> dict[str, object]:
    """Return an OpsItem."""
    name = asked.request["OpsItemId"]
    found = _items(asked.world, asked.key).get(name)
    if found is None:
        raise Refused("OpsItemNotFoundException", f"OpsItem ID {name} not found.")
    return {"OpsItem": found}
