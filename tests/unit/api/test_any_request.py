"""Whatever is sent to the API, it is answered in its own form, and never with a fault of the server."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kit.console import Console, FakeAccount, server

GROUP = "kind: ProtectionGroup\nname: a\nregion: us-west-2\nservers: [s-00000000000000001]\n"
LISTS = ("/api/v1/source-servers", "/api/v1/protection-groups", "/servers", "/groups")
NAMES = ("view", "q", "account", "region", "state", "group", "plan", "tag", "sort", "limit", "after", "name", "dry_run")
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inside: st.one_of(st.lists(inside, max_size=4), st.dictionaries(TEXTS, inside, max_size=4)),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["kind", "name", "region", "aws_conn_id", "servers", "select", "launch", "drill_launch", "origin", "description"]
)
WORDS = st.sampled_from(["ProtectionGroup", "a", "b", "us-west-2", "s-00000000000000001", "aws_default"])
DEFINITIONS = st.one_of(JSON, st.dictionaries(FIELDS, st.one_of(WORDS, JSON, st.lists(WORDS, max_size=3)), max_size=6))


@pytest.fixture(scope="module")
def console(tmp_path_factory) -> Console:
    plans = tmp_path_factory.mktemp("fuzz") / "plans"
    plans.mkdir()
    (plans / "a.yaml").write_text(GROUP)
    return Console(plans, {("aws_default", "us-west-2"): FakeAccount(servers=[server(1, "db1"), server(2, "web1")])})


@pytest.fixture(scope="module")
def client(console):
    return console.client()


def is_in_form(answer, path):
    if answer.status_code < 400 or not path.startswith("/api"):
        return answer.status_code < 500
    return answer.status_code < 500 and answer.headers["content-type"] == "application/problem+json"


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(LISTS), st.dictionaries(st.sampled_from(NAMES), st.one_of(TEXTS, st.integers().map(str))))
def test_any_query_is_answered(client, path, query):
    answer = client.get(path, params=query)

    assert is_in_form(answer, path), (answer.status_code, answer.text)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DEFINITIONS, st.sampled_from(["resolve", "create", "create in a file", "change"]), TEXTS)
def test_any_definition_is_answered_and_what_was_there_stays_readable(console, client, definition, what, text):
    headers = {"Content-Type": "application/json", "If-Match": "*"}
    path, method, body = {
        "resolve": ("/api/v1/protection-groups/resolve", "POST", definition),
        "create": ("/api/v1/protection-groups?dry_run=true", "POST", {"definition": definition}),
        "create in a file": (
            "/api/v1/protection-groups?dry_run=true",
            "POST",
            {"definition": definition, "file": text},
        ),
        "change": ("/api/v1/protection-groups/a?dry_run=true", "PUT", definition),
    }[what]

    answer = client.request(method, path, content=json.dumps(body), headers=headers)

    assert is_in_form(answer, path), (answer.status_code, answer.text)
    assert [found.name for found in Path(console.plans).iterdir()] == ["a.yaml"]
    assert (console.plans / "a.yaml").read_text() == GROUP
