"""SSM's DescribeDocument for documents that moto does not keep: AWS's own, and those of the fleet file.

``/_simulator/documents`` lists them, and adds some while the simulator runs.
"""

from typing import TYPE_CHECKING, Any

from drs_simulator.errors import BadInput
from drs_simulator.neighbours.answers import Asked, answers
from drs_simulator.neighbours.fleet_settings import document_settings, ssm_of
from drs_simulator.neighbours.ssm import documents
from drs_simulator.protocol.wire import Reply

if TYPE_CHECKING:
    from drs_simulator.backend.simulator import Simulator

DRS_PREFIX = "AWSDisasterRecovery-"
"""How the documents are called that DRS offers as launch actions; they exist wherever DRS does."""


def install(simulator: "Simulator") -> None:
    """Answer for one document; the account's own ones are moto's."""
    answers(simulator, "ssm", {"DescribeDocument": describe_document})
    simulator.overlays.control("documents", lambda method, name, given: control(simulator, method, name, given))


def control(simulator: "Simulator", method: str, name: str, given: Any) -> Any:
    """Answer ``GET`` and ``POST /_simulator/documents``. Raises BadInput."""
    with simulator.world.lock:
        if method == "GET" and not name:
            return _listed(simulator)
        if method == "POST" and not name:
            return _added(simulator, given)
    raise BadInput('documents: GET lists, POST {"name": …, "takes": …} adds')


def _listed(simulator: "Simulator") -> dict[str, object]:
    world = simulator.world
    own = [
        {"account": account, "region": region, "name": name, **settings.model_dump(mode="json")}
        for account, region in world.regions
        for name, settings in ssm_of(world, (account, region)).documents.items()
    ]
    return {"aws": {name: document.kind for name, document in documents.KNOWN.items()}, "own": own}


def _added(simulator: "Simulator", given: object) -> dict[str, object]:
    if not isinstance(given, dict) or not isinstance(given.get("name"), str) or not given["name"]:
        raise BadInput('documents: write {"name": "Shop-Check", "type": "Command", "takes": "30s"}')
    world, name = simulator.world, given["name"]
    settings = document_settings(
        {key: value for key, value in given.items() if key not in {"name", "account", "region"}}
    )
    places = [
        key for key in world.regions if given.get("account", key[0]) == key[0] and given.get("region", key[1]) == key[1]
    ]
    if not places:
        where = f"{given.get('account')}/{given.get('region')}"
        raise BadInput(f"documents: the fleet has no account and Region such as {where}")
    for key in places:
        known = ssm_of(world, key)
        fresh = known.model_copy(update={"documents": {**known.documents, name: settings}})
        world.neighbours["ssm_settings"][key] = fresh
    world.dirty += 1
    return {"places": [{"account": account, "region": region} for account, region in places]}


def describe_document(asked: Asked) -> dict[str, object] | Reply:
    """Return what there is to be known of a document."""
    name = str(asked.request.get("Name", ""))
    found = documents.find(asked.world, asked.key, name, None, "Command") or documents.find(
        asked.world, asked.key, name, None, "Automation"
    )
    is_known = name in documents.KNOWN or (found is not None and found.settings is not None)
    if not is_known and not name.startswith(DRS_PREFIX):
        return asked.forward()
    return {
        "Document": {
            "Name": name,
            "Owner": "Amazon" if name.startswith(("AWS", "Amazon")) else asked.call.account,
            "Status": "Active",
            "DocumentType": found.kind if found is not None else "Command",
            "DocumentVersion": "1",
            "DefaultVersion": "1",
            "LatestVersion": "1",
            "DocumentFormat": "YAML",
        }
    }
