"""Orders to a run that goes on: their words, and what counts as one."""

import pytest
from drs_provider.rules.run.controls import LONGEST_NOTE, added, cancellation, go_on, read_order, retry, skip
from drs_provider.rules.run.handover import RunOrder
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (cancellation("ada", "wrong\nnetwork"), "cancelled by ada: wrong network"),
        (cancellation(None, None), "cancelled"),
        (skip("web", "ada", None), "wave web skipped by ada"),
        (go_on("web", "ada", "no\ndatabase"), "continued past failed wave web by ada: no database"),
        (retry("web", None, "capacity is back"), "wave web retried: capacity is back"),
    ],
)
def test_an_order_is_worded_in_one_line(order, words):
    assert order.message == words


def test_an_order_survives_the_store_until_it_is_taken_back():
    order = cancellation("ada", "x")

    assert read_order(order.to_json()) == order
    assert read_order(retry("web", "ada", "x").to_json()) is None


@pytest.mark.parametrize("stored", [None, "cancel", {}, {"kind": "stop"}, ["cancel"]])
def test_what_is_no_order_stops_nothing(stored):
    assert read_order(stored) is None


def test_an_order_of_an_earlier_release_is_read():
    assert read_order({"kind": "skip", "words": "wave web skipped"}) == skip("web", None, None)


def test_an_order_without_words_still_counts():
    assert read_order({"kind": "cancel"}) == RunOrder(kind="cancel", message="cancel")


@given(st.none() | st.text(max_size=LONGEST_NOTE), st.text(alphabet="ab ", min_size=1, max_size=400))
def test_a_note_never_outgrows_airflow_and_always_ends_with_the_new_line(note, line):
    grown = added(note, line)

    assert len(grown) <= LONGEST_NOTE
    assert grown.endswith(line)
