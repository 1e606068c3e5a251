"""Nobody counts as two people by writing a name or an address in another way."""

import pytest
from drs_provider.people import (
    address_key,
    alike,
    is_said_by_anybody,
    is_same_person,
    person_key,
    sharing_an_address,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    "other", ["Ann", "ANN", " ann", "ann ", "a nn", "a\u00a0nn", "a\u200bnn", "ann\u202e", "\uff41nn", "an\u00adn"]
)
def test_a_name_that_differs_by_case_blanks_or_invisible_characters_is_the_same_persons(other):
    assert is_same_person("ann", other)
    assert alike(["bob", "ann", other]) == [("ann", other)]


@pytest.mark.parametrize(
    ("one_name", "other"), [("ann", "anna"), ("ann", None), (None, None), ("", ""), ("ann", "ann2")]
)
def test_different_people_are_different(one_name, other):
    assert not is_same_person(one_name, other)


@given(st.text())
def test_a_key_is_its_own_key(name):
    assert person_key(person_key(name)) == person_key(name)


@pytest.mark.parametrize("other", ["dr@example.org", "DR@Example.ORG", "dr+ann@example.org", " dr@example.org."])
def test_a_mailbox_is_one_in_whatever_way_it_is_written(other):
    assert address_key(other) == "dr@example.org"


def test_people_who_share_a_mailbox_are_found_once_and_one_person_may_have_several():
    addresses = {
        "ann": ["dr@x.org", "a@x.org"],
        "bob": ["DR+b@x.org"],
        "cyd": ["c@x.org", "C@x.org"],
        "Cyd": ["c@x.org"],
    }

    assert sharing_an_address(addresses) == [("ann", "bob")]


def test_the_mark_of_the_command_line_is_known():
    assert is_said_by_anybody("ann (command line)")
    assert not is_said_by_anybody("ann")
    assert not is_said_by_anybody(None)
    assert not is_same_person("ann", "ann (command line)")
