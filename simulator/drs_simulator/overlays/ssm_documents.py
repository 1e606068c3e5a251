"""SSM's DescribeDocument for documents that moto does not keep: AWS's own, and those of the fleet file."""

from typing import TYPE_CHECKING, Any

from drs_simulator.overlays import documents
from drs_simulator.overlays.answering import Asked, answers
from drs_simulator.wire import Reply

if TYPE_CHECKING:
    from drs_simulator.simulator import Simulator

DRS_PREFIX = "AWSDisasterRecovery-"
"""How the documents are called that DRS offers as launch actions; they exist wherever DRS does."""


def install(simulator: "Simulator") -> None:
    """Answer for one document; the account's own ones are moto's."""
    answers(simulator, "ssm", {"DescribeDocument": describe_document})


def describe_document(asked: Asked) -> dict[str, Any] | Reply:
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
