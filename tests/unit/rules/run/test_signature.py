import copy
import json

import pytest
from drs_provider.rules.run.handover.signature import SIGNATURE, Keys, Origin, key_id, keys_of
from hypothesis import given
from hypothesis import strategies as st

OURS = Origin("drs.shop", "run-1", "preflight.check", "preflight")
KEYS = Keys((b"k" * 32,))
EDITED = "it is not what was written: somebody has edited it, or brought it here from elsewhere"
UNSIGNED = "it has no signature, so it was not written by this run's own tasks"

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
bodies = st.dictionaries(st.text().filter(lambda key: key != SIGNATURE), plain, max_size=4)


@given(bodies)
def test_what_was_written_is_believed_after_a_round_through_json(body):
    sealed = json.loads(json.dumps(KEYS.seal(body, OURS, attempt=2)))

    assert KEYS.problem(sealed, OURS) is None
    assert {key: value for key, value in sealed.items() if key != SIGNATURE} == body


@given(bodies, bodies)
def test_another_body_under_the_same_signature_is_not_believed(body, other):
    sealed = KEYS.seal(body, OURS)
    edited = {**other, SIGNATURE: sealed[SIGNATURE]}
    same = json.dumps(other, sort_keys=True) == json.dumps(body, sort_keys=True)

    assert (KEYS.problem(edited, OURS) is None) == same


@pytest.mark.parametrize(
    "elsewhere",
    [
        Origin("drs.crm", "run-1", "preflight.check", "preflight"),
        Origin("drs.shop", "run-2", "preflight.check", "preflight"),
        Origin("drs.shop", "run-1", "web.start_recovery", "preflight"),
        OURS.under("launch"),
        Origin("drs.shop", "run-1", "preflight.check", "preflight", map_index=0),
        Origin("drs.shop", "run-1", "preflight.check", "preflight", stored_in="task_state_store"),
    ],
)
def test_a_document_of_another_place_is_not_believed(elsewhere):
    assert KEYS.problem(KEYS.seal({"mode": "recovery"}, elsewhere), OURS) == EDITED


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda sealed: sealed.pop(SIGNATURE), UNSIGNED),
        (lambda sealed: sealed.update({SIGNATURE: "yes"}), UNSIGNED),
        (lambda sealed: sealed[SIGNATURE].update({"hmac": None}), UNSIGNED),
        (lambda sealed: sealed[SIGNATURE].update({"hmac": "é"}), UNSIGNED),
        (lambda sealed: sealed[SIGNATURE].update({"try": 7}), EDITED),
        (lambda sealed: sealed[SIGNATURE].update({"try": "1"}), UNSIGNED),
        (lambda sealed: sealed.update({"mode": "recovery"}), EDITED),
        (lambda sealed: sealed.update({"more": 1}), EDITED),
        (
            lambda sealed: sealed.update({"mode": float("nan")}),
            "it is not what was written: it holds what JSON cannot say",
        ),
        (lambda sealed: sealed[SIGNATURE].update({"hmac": ""}), EDITED),
    ],
)
def test_an_edited_document_is_refused_in_words(change, problem):
    sealed = copy.deepcopy(KEYS.seal({"mode": "drill"}, OURS))
    change(sealed)

    assert KEYS.problem(sealed, OURS) == problem


@pytest.mark.parametrize("data", [None, [], "text", 3, True])
def test_what_is_no_mapping_is_unsigned(data):
    assert KEYS.problem(data, OURS) == UNSIGNED


def test_what_an_xcom_backend_no_longer_finds_is_told_from_what_somebody_wrote():
    gone = "s3://aws_reports@bucket/xcoms/drs.shop/run-1/preflight.check/preflight.json"

    assert KEYS.problem(gone, OURS) == (
        f"the XCom backend gave its address only, {gone}: nothing lies there, or it cannot be read"
    )
    for other in ("see https://example.org", "//nowhere", "s3://", f"s3://{'x' * 1025}"):
        assert KEYS.problem(other, OURS) == UNSIGNED


def test_a_replaced_key_verifies_while_it_stands_behind_the_new_one():
    old, new = b"o" * 32, b"n" * 32
    sealed = Keys((old,)).seal({"mode": "drill"}, OURS)

    assert Keys((new, old)).problem(sealed, OURS) is None
    assert Keys((new,)).problem(sealed, OURS) == (
        f"it is signed with a key that this machine does not have (its id is {key_id(old)!r}): every machine of this "
        "Airflow needs the same [drs] signing_key, and a replaced key stays behind the new one until the runs of its "
        "time are over"
    )


def test_a_key_for_documents_is_never_the_secret_itself():
    made = keys_of(["a secret of Airflow", ""])

    assert made is not None
    assert len(made.secrets) == 1
    assert b"a secret of Airflow" not in made.secrets[0]
    assert keys_of(["", ""]) is None


@pytest.mark.parametrize(
    ("attempt", "newest", "older"),
    [(1, 2, True), (2, 2, False), (2, None, False), (3, 2, False), (0, 2, False)],
    ids=["an earlier try", "the newest", "nobody knows the newest", "begun since", "no task wrote it"],
)
def test_what_an_earlier_try_wrote_is_not_believed_where_airflow_says_that_there_is_a_newer_one(attempt, newest, older):
    problem = KEYS.problem(KEYS.seal({"mode": "drill"}, OURS, attempt=attempt), OURS, newest_try=newest)

    assert problem == (
        "it is an older one: try 1 of the task wrote it, and Airflow says that try 2 has begun since; somebody has put "
        "it back"
        if older
        else None
    )


def test_an_edited_number_of_the_try_does_not_make_an_older_one_new():
    sealed = KEYS.seal({"mode": "drill"}, OURS, attempt=1)
    sealed[SIGNATURE]["try"] = 2

    assert KEYS.problem(sealed, OURS, newest_try=2) == EDITED
