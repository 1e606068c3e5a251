"""A botocore that is older than the simulator: answers leave out what it does not know, and what it lacks is named."""

import botocore
import pytest
from botocore.model import ServiceModel
from drs_simulator.protocol import older_models
from drs_simulator.protocol.older_models import how_old, is_older, known_part, pruner

OLD = ServiceModel(
    {
        "metadata": {"apiVersion": "2020-02-26", "protocol": "rest-json", "endpointPrefix": "drs"},
        "operations": {},
        "shapes": {
            "Servers": {"type": "structure", "members": {"items": {"shape": "List"}, "byName": {"shape": "Map"}}},
            "List": {"type": "list", "member": {"shape": "Server"}},
            "Map": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Server"}},
            "Server": {
                "type": "structure",
                "members": {"id": {"shape": "Text"}, "cpus": {"shape": "Number"}, "source": {"shape": "Server"}},
            },
            "Text": {"type": "string"},
            "Number": {"type": "integer"},
        },
    }
)
NEW = {"id": "s-1", "cpus": 2, "architecture": "x86_64", "source": {"id": "s-0", "kind": {"a": 1}, "source": None}}
KNOWN = {"id": "s-1", "cpus": 2, "source": {"id": "s-0", "source": None}}


@pytest.mark.parametrize(
    ("answer", "known"),
    [
        ({"items": [NEW, NEW]}, {"items": [KNOWN, KNOWN]}),
        ({"items": (NEW,), "nextToken": "a"}, {"items": [KNOWN]}),
        ({"byName": {"architecture": NEW}}, {"byName": {"architecture": KNOWN}}),
        ({"items": None, "byName": {}}, {"items": None, "byName": {}}),
        ({"items": [{}]}, {"items": [{}]}),
        ({"items": "no list"}, {"items": "no list"}),
    ],
)
def test_only_what_the_older_model_knows_is_answered(answer, known):
    assert pruner(OLD.shape_for("Servers"))(answer) == known


def test_the_answer_itself_stays_whole():
    answer = {"items": [{**NEW}]}

    pruner(OLD.shape_for("Servers"))(answer)

    assert answer == {"items": [NEW]}


@pytest.mark.parametrize(
    ("version", "than", "older"),
    [
        ("1.43.56", "1.44.5", True),
        ("1.9.0", "1.44.5", True),
        ("1.44.5", "1.44.5", False),
        ("1.44.10", "1.44.5", False),
        ("2.0.0", "1.44.5", False),
        ("1.44.5rc1", "1.44.5", False),
    ],
)
def test_versions_are_compared_by_their_numbers(version, than, older):
    assert is_older(version, than) is older


def test_an_unknown_member_is_a_mistake_where_the_model_is_new_enough(monkeypatch):
    answer = {"items": [], "invented": 1}
    monkeypatch.setattr(botocore, "__version__", older_models.WRITTEN_WITH)
    assert known_part("DescribeJobs", answer) == answer
    assert known_part("StopReplication", {}) == {}

    monkeypatch.setattr(botocore, "__version__", "1.43.56")
    assert known_part("DescribeJobs", answer) == {"items": []}


def test_an_unknown_operation_names_the_botocore_that_is_missing(monkeypatch):
    monkeypatch.setattr(botocore, "__version__", older_models.WRITTEN_WITH)
    assert how_old() == ""

    monkeypatch.setattr(botocore, "__version__", "1.43.56")
    assert how_old() == (
        ": the simulator goes by the installed botocore 1.43.56, and native Recovery Plans are known from 1.43.73 on"
    )
