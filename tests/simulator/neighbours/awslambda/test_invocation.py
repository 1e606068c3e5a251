import base64
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from drs_simulator.client import ControlPlaneError
from simulator.neighbours.neighbourhood import HOME, refusal


@pytest.fixture
def functions(sim):
    return sim.client("lambda")


def invoke(functions, name, payload=None, **more):
    answer = functions.invoke(FunctionName=name, Payload=json.dumps(payload or {}), **more)
    return answer["StatusCode"], answer.get("FunctionError"), json.loads(answer["Payload"].read() or "null")


@pytest.mark.parametrize(
    ("name", "payload", "expected"),
    [
        pytest.param("warm-caches", {"a": 1}, (200, None, {"a": 1}), id="echo"),
        pytest.param("flag", {}, (200, None, {"maintenance": True}), id="answer"),
        pytest.param(
            "promote",
            {},
            (200, "Unhandled", {"errorMessage": "not now", "errorType": "DatabaseBusy", "stackTrace": []}),
            id="fail",
        ),
        pytest.param("slow", {}, (200, None, None), id="sleep"),
        pytest.param(
            "promote-python", {"database": "db1"}, (200, None, {"promoted": "db1", "by": "promote-python"}), id="python"
        ),
        pytest.param(
            "arn:aws:lambda:us-west-2:111122223333:function:flag", {}, (200, None, {"maintenance": True}), id="by ARN"
        ),
        pytest.param("111122223333:flag:$LATEST", {}, (200, None, {"maintenance": True}), id="by partial ARN"),
    ],
)
def test_a_function_does_what_the_fleet_file_says(sim, functions, name, payload, expected):
    assert invoke(functions, name, payload) == expected


def test_an_error_of_a_python_function_is_a_function_error_with_its_trace(sim, functions):
    status, error, payload = invoke(functions, "promote-python", {"busy": True})

    assert (status, error) == (200, "Unhandled")
    assert (payload["errorType"], payload["errorMessage"]) == ("DatabaseBusy", "the replica still applies its log")
    assert "in promote" in payload["stackTrace"][-1]


def test_an_answer_that_is_no_json_is_a_function_error(sim, functions):
    assert invoke(functions, "unsayable")[2] == {
        "errorType": "Runtime.MarshalError",
        "stackTrace": [],
        "errorMessage": "Unable to marshal response: Object of type set is not JSON serializable",
    }


def test_a_function_that_takes_too_long_is_ended(sim, functions):
    status, error, payload = invoke(functions, "too-slow")

    assert (status, error, list(payload)) == (200, "Unhandled", ["errorMessage"])
    assert payload["errorMessage"].endswith(" Task timed out after 3.00 seconds")


@pytest.mark.parametrize("operation", ["invoke", "get_function", "get_function_configuration"])
def test_a_function_that_is_not_there_is_not_found(sim, functions, operation):
    assert refusal(getattr(functions, operation), FunctionName="nope") == (
        "ResourceNotFoundException",
        404,
        f"Function not found: arn:aws:lambda:us-west-2:{HOME}:function:nope",
    )


def test_functions_are_described_and_listed(sim, functions):
    names = {function["FunctionName"] for function in functions.list_functions()["Functions"]}

    assert names == {"warm-caches", "flag", "promote", "promote-python", "unsayable", "slow", "too-slow"}
    assert functions.get_function(FunctionName="flag")["Configuration"]["Description"] == "simulated: answer"
    assert functions.get_function_configuration(FunctionName="too-slow")["Timeout"] == 3


def test_a_function_of_create_function_echoes(sim, functions):
    functions.create_function(
        FunctionName="own",
        Runtime="python3.13",
        Role=f"arn:aws:iam::{HOME}:role/insider",
        Handler="a.b",
        Code={"ZipFile": b"none"},
    )

    assert invoke(functions, "own", {"a": 1}) == (200, None, {"a": 1})


def test_other_invocation_types_answer_without_a_payload(sim, functions):
    assert invoke(functions, "promote", InvocationType="Event") == (202, None, None)
    assert invoke(functions, "promote", InvocationType="DryRun") == (204, None, None)


def test_the_log_is_shown_where_it_is_asked_for(sim, functions):
    answer = functions.invoke(FunctionName="promote", Payload=b"{}", LogType="Tail")

    assert "[ERROR] DatabaseBusy: not now" in base64.b64decode(answer["LogResult"]).decode()


@pytest.mark.parametrize(
    ("payload", "kind", "expected"),
    [
        pytest.param(b"{", "RequestResponse", ("InvalidRequestContentException", 400), id="no JSON"),
        pytest.param(b'"' + b"a" * (1024 * 1024) + b'"', "Event", ("RequestTooLargeException", 413), id="too large"),
    ],
)
def test_a_request_that_lambda_does_not_take_is_refused(sim, functions, payload, kind, expected):
    assert refusal(functions.invoke, FunctionName="flag", Payload=payload, InvocationType=kind)[:2] == expected


def test_faults_fail_and_hang_a_function_by_its_name(sim, functions):
    sim.fault({"service": "lambda", "action": "flag", "do": "fail", "error": "no route", "count": 1})
    sim.fault({"service": "lambda", "action": "too-slow", "do": "hang"})

    assert invoke(functions, "warm-caches") == (200, None, {})
    assert invoke(functions, "flag") == (
        200,
        "Unhandled",
        {"errorMessage": "no route", "errorType": "InjectedFault", "stackTrace": []},
    )
    assert invoke(functions, "flag") == (200, None, {"maintenance": True})
    assert "timed out" in invoke(functions, "too-slow")[2]["errorMessage"]


def test_functions_are_added_and_removed_through_the_control_plane(sim, functions):
    added = sim.control(
        "POST", "lambda", {"name": "late", "behaviour": "call", "function": "checks:promote", "account": HOME}
    )
    answer = invoke(functions, "late", {"database": "db2"})
    listed = {function["name"]: function["invocations"] for function in sim.control("GET", "lambda")}
    removed = sim.control("DELETE", "lambda/late")

    assert added == {"functions": [f"arn:aws:lambda:us-west-2:{HOME}:function:late"]}
    assert answer == (200, None, {"promoted": "db2", "by": "late"})
    assert listed["late"] == 1
    assert removed == {"removed": 1}
    assert refusal(functions.invoke, FunctionName="late")[0] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param(
            {"name": "x", "behaviour": "call", "function": "os:system"},
            "lambda: no function 'os:system' (known: checks:DatabaseBusy, checks:promote, checks:unsayable)",
            id="foreign code",
        ),
        pytest.param(
            {"name": "a b"},
            'lambda: write {"name": "check", "behaviour": "echo"}; a name has letters, digits, - and _',
            id="name",
        ),
        pytest.param(
            {"name": "x", "region": "eu-west-1"},
            "lambda: the fleet has no account and Region such as None/eu-west-1",
            id="place",
        ),
    ],
)
def test_a_function_that_cannot_be_is_refused_by_the_control_plane(sim, given, said):
    with pytest.raises(ControlPlaneError) as caught:
        sim.control("POST", "lambda", given)

    assert str(caught.value) == said


def test_an_answer_can_be_held_until_time_that_stands_still_is_moved_on(sim, functions):
    sim.clock(hold_answers=True)
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(invoke, functions, "too-slow")
        while (left := sim.clock()["next_answer_in"]) is None:
            assert not answer.done()
        sim.advance(left - 0.5)
        assert sim.clock()["next_answer_in"] == pytest.approx(0.5, abs=1e-3)
        assert not answer.done()
        sim.advance(0.5)
        assert answer.result(30)[2]["errorMessage"].endswith(" Task timed out after 3.00 seconds")
    assert left == pytest.approx(3.0, abs=1e-3)
    assert sim.clock()["next_answer_in"] is None
    with pytest.raises(ControlPlaneError, match="hold_answers must be true or false, not 1"):
        sim.clock(hold_answers=1)
