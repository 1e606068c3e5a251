"""Names that are put into the texts of steps, and what is never put in."""

import pytest
from drs_provider.exceptions import StepFailed
from drs_provider.rules.run.placeholders import KnownServer, Names, find_server, names_servers, recovered, render
from hypothesis import given
from hypothesis import strategies as st

DB1 = KnownServer("s-1", "db1", "database", "aws_default", "us-west-2", "i-1")
DB2 = KnownServer("s-2", "db2", "database", "aws_default", "us-west-2", reason="CONVERSION_FAIL: NoCapacity")
WEB = KnownServer("s-3", "web1", "web", "aws_default", "us-west-2")
TWIN = KnownServer("s-4", "web1", "web", "aws_default", "us-west-2")


def fact(named, which):
    return f"{named}/{which}"


NAMES = Names({"plan.name": "shop", "run.id": "{{ plan.name }} %s <b>"}, fact)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("plain {text} 100%", "plain {text} 100%"),
        ("{{ plan.name }}-{{plan.name}}", "shop-shop"),
        ("{{ server('db1').private_ip }}:5432", "db1/private_ip:5432"),
        ('{{ server("db1").instance_id }}', "db1/instance_id"),
        ("{{ run.id }}", "{{ plan.name }} %s <b>"),
        ("docker ps --format '{{ '{{' }}.Names}}' | grep -q db", "docker ps --format '{{.Names}}' | grep -q db"),
        ('{{ "{{" }}.Names{{"}}"}}', "{{.Names}}"),
        ("{{ '{{range .Items}}{{.Name}}{{\"\\n\"}}{{end}}' }}", '{{range .Items}}{{.Name}}{{"\\n"}}{{end}}'),
        ("{{ '{%' }} if x %} {{ '{#' }} no #}", "{% if x %} {# no #}"),
        ("{{ '{{ run.id }}' }}{{ plan.name }}", "{{ run.id }}shop"),
        ('{"event":{"kind":"{{ plan.name }}"}}', '{"event":{"kind":"shop"}}'),
        ("echo ${#list[@]} ${name%.*} %} #} }}", "echo ${#list[@]} ${name%.*} %} #} }}"),
        (["{{ plan.name }}", 3, None, True], ["shop", 3, None, True]),
        ({"{{ plan.name }}": {"a": ("{{ plan.name }}",)}}, {"{{ plan.name }}": {"a": ["shop"]}}),
    ],
)
def test_a_text_is_filled_in_once_and_keys_are_left_alone(text, filled):
    assert render(text, NAMES) == filled


@given(st.text())
def test_what_is_put_in_is_never_read_again(value):
    assert render("{{ run.id }}", Names({"run.id": value}, fact)) == value


def test_a_name_that_does_not_exist_here_is_an_error_with_the_nearest_one():
    with pytest.raises(StepFailed) as caught:
        render("{{ plan.nam }}", NAMES)

    assert str(caught.value) == "{{ plan.nam }} cannot be filled in here: did you mean 'plan.name'?"


@pytest.mark.parametrize(
    ("value", "does"),
    [
        ("{{ server('a').private_ip }}", True),
        ("server('a')", False),
        ("{{ '{{ server(\"a\").x }}' }}", False),
        ({"a": ["{{ server('a').x }}"]}, True),
        (3, False),
    ],
)
def test_servers_are_asked_for_only_where_one_is_named(value, does):
    assert names_servers(value) is does


def test_a_server_is_found_by_hostname_and_by_id():
    assert find_server("db1", [DB1, DB2]) is DB1
    assert find_server("s-2", [DB1, DB2]) is DB2


@pytest.mark.parametrize(
    ("named", "servers", "said"),
    [
        ("dbl", [DB1, WEB], "server('dbl'): this run has no server of that hostname (did you mean 'db1'?)"),
        ("db1", [], "server('db1'): this run has no server of that hostname (the run has no servers)"),
        ("web1", [WEB, TWIN], "server('web1'): 2 servers have this hostname: name one by its id (s-3, s-4)"),
    ],
)
def test_a_server_that_is_not_there_is_named_with_the_nearest(named, servers, said):
    with pytest.raises(StepFailed) as caught:
        find_server(named, servers)

    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("server", "said"),
    [
        (DB2, "server('db2'): it has no recovery instance: CONVERSION_FAIL: NoCapacity"),
        (WEB, "server('web1'): it has no recovery instance: it is there when wave web has ended"),
    ],
)
def test_a_server_that_is_not_launched_says_why(server, said):
    with pytest.raises(StepFailed) as caught:
        recovered(server)

    assert (str(caught.value), recovered(DB1)) == (said, "i-1")
