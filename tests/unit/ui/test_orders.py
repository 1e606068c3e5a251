"""The routes that take orders to a run, over a store in memory: what is kept for whom, and in whose name."""

import warnings
from datetime import UTC, datetime

import pytest
from drs_provider import clock
from drs_provider.exceptions import RunRefused
from drs_provider.rules.run import controls, names
from drs_provider.rules.run.handover import GivenOrders, RunOrder
from drs_provider.rules.run.handover.signature import SIGNATURE, Origin
from drs_provider.services.signed import keys
from drs_provider.ui.orders import add_orders
from fastapi import FastAPI, HTTPException
from kit.signatures import signed, unsigned

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # starlette recommends another HTTP client than the one that Airflow brings
    from fastapi.testclient import TestClient

DAG, RUN = "drs.shop", "manual__1"
NOW = datetime(2026, 11, 22, 5, 10, tzinfo=UTC)
TASKS = frozenset({"web.start_recovery", "database.start_recovery", names.REPORT_TASK})
ORDERS = f"/runs/{DAG}/{RUN}/orders"
CANCEL = {"kind": "cancel", "tasks": ["web.start_recovery", "database.start_recovery"], "reason": "wrong network"}
EDITED = "it is not what was written: somebody has edited it, or brought it here from elsewhere"
UNSIGNED = "it has no signature, so it was not written by this run's own tasks"


class InMemoryRunStore:
    """A task state store of one run of the shop; ``entries`` by task and key."""

    def __init__(self, user="ada"):
        self.user, self.entries = user, {}

    def tasks(self, dag_id, run_id):
        return TASKS if run_id == RUN else frozenset()

    def get(self, dag_id, run_id, task_id, key):
        return self.entries.get((task_id, key))

    def set(self, dag_id, run_id, task_id, key, value):
        assert (dag_id, run_id) == (DAG, RUN)
        self.entries[task_id, key] = value


@pytest.fixture
def store():
    return InMemoryRunStore()


@pytest.fixture
def client(store, monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: NOW)
    return client_of(store)


def client_of(store, *, editors=("ada", "bob")):
    def may_edit_run(dag_id: str) -> None:
        if store.user not in editors:
            raise HTTPException(403, "Forbidden")

    app = FastAPI()
    add_orders(app, store=lambda: store, may_edit_run=may_edit_run)
    return TestClient(app)


def kept(store, task, document):
    """Return a document that lies in the store of a task, and is signed for that place."""
    value = store.entries[task, document.KEY]
    place = Origin(DAG, RUN, task, document.KEY, stored_in="task_state_store")
    assert keys().problem(value, place) is None
    return document.from_json(value)


def order_of(task, **order):
    return signed(RunOrder(**order), DAG, RUN, task, stored_in="task_state_store")


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (CANCEL, "cancel", "cancelled by ada: wrong network"),
        (
            {**CANCEL, "reason": "  wrong\n\nnetwork "},
            "cancel",
            "cancelled by ada: wrong network",
        ),
        ({**CANCEL, "kind": "skip", "wave": "web", "reason": None}, "skip", "wave web skipped by ada"),
        ({**CANCEL, "kind": "retry", "wave": "web"}, "none", "wave web retried by ada: wrong network"),
        (
            {**CANCEL, "kind": "continue", "wave": "web"},
            "continue",
            "continued past failed wave web by ada: wrong network",
        ),
    ],
)
def test_an_order_is_signed_for_every_task_that_shall_obey_and_says_who_gave_it(client, store, body, kind, message):
    answer = client.post(ORDERS, json=body)

    assert (answer.status_code, answer.json()) == (200, {"message": message})
    assert set(store.entries) == {(task, RunOrder.KEY) for task in body["tasks"]}
    for task in body["tasks"]:
        assert kept(store, task, RunOrder) == RunOrder(kind=kind, message=message)


@pytest.mark.parametrize(
    "forged",
    [
        {"user": "bob"},
        {"who": "bob", "by": "bob", "triggering_user_name": "bob"},
        {"message": "cancelled by bob"},
        {SIGNATURE: {"key": "00000000", "try": 0, "hmac": "0"}},
    ],
)
def test_whatever_the_body_says_an_order_is_in_the_name_of_the_person_who_asks(client, store, forged):
    answer = client.post(ORDERS, json={**CANCEL, "is_recorded": True, **forged})

    assert answer.json() == {"message": "cancelled by ada: wrong network"}
    assert kept(store, "web.start_recovery", RunOrder).message == "cancelled by ada: wrong network"
    assert [given.by for given in kept(store, names.REPORT_TASK, GivenOrders).orders] == ["ada"]


def test_the_record_holds_every_order_with_when_who_and_why(client, store):
    client.post(ORDERS, json={"kind": "skip", "tasks": [], "wave": "web", "is_recorded": True})
    store.user = "bob"
    client.post(ORDERS, json={"kind": "cancel", "reason": "wrong network", "is_recorded": True})

    assert set(store.entries) == {(names.REPORT_TASK, GivenOrders.KEY)}
    assert kept(store, names.REPORT_TASK, GivenOrders).orders == (
        controls.given("skip", "ada", None, at=NOW, wave="web"),
        controls.given("cancel", "bob", "wrong network", at=NOW),
    )


@pytest.mark.parametrize("forge", [unsigned, lambda entry: {**entry, "orders": []}, lambda _: "x"])
def test_what_was_forged_in_the_record_is_dropped_with_the_next_order(client, store, forge):
    client.post(ORDERS, json={"kind": "skip", "wave": "web", "is_recorded": True})
    store.entries = {place: forge(entry) for place, entry in store.entries.items()}

    client.post(ORDERS, json={"kind": "cancel", "is_recorded": True})

    assert [given.message for given in kept(store, names.REPORT_TASK, GivenOrders).orders] == ["cancelled by ada"]


def test_a_record_brought_from_another_run_is_dropped(client, store):
    other = GivenOrders(orders=(controls.given("skip", "bob", None, at=NOW, wave="web"),))
    forged = signed(other, DAG, "manual__0", names.REPORT_TASK, stored_in="task_state_store")
    store.entries[names.REPORT_TASK, GivenOrders.KEY] = forged

    client.post(ORDERS, json={"kind": "cancel", "is_recorded": True})

    assert [given.by for given in kept(store, names.REPORT_TASK, GivenOrders).orders] == ["ada"]


FORMER = {"entries": {}}


@pytest.mark.parametrize(
    ("dag_id", "run_id", "problem"),
    [
        ("web-shop", RUN, "web-shop is no recovery plan"),
        (names.SWEEPER_DAG, RUN, f"{names.SWEEPER_DAG} is no recovery plan"),
        (DAG, "manual__2", f"DAG {DAG} has no run manual__2"),
    ],
)
def test_only_a_run_of_a_plan_takes_orders(client, store, dag_id, run_id, problem):
    for answer in (
        client.post(f"/runs/{dag_id}/{run_id}/orders", json=CANCEL),
        client.put(f"/runs/{dag_id}/{run_id}/orders", json=FORMER),
    ):
        assert (answer.status_code, answer.json()) == (404, {"detail": problem})
    assert store.entries == {}


def test_a_task_that_the_run_does_not_have_takes_no_order_and_nor_does_any_other_then(client, store):
    tasks = ["web.start_recovery", "files.start_recovery"]
    entries = {task: order_of(task, kind="cancel") for task in tasks}

    for answer in (client.post(ORDERS, json={**CANCEL, "tasks": tasks}), client.put(ORDERS, json={"entries": entries})):
        assert (answer.status_code, answer.json()) == (
            404,
            {"detail": f"run {RUN} of {DAG} has no task files.start_recovery"},
        )
    assert store.entries == {}


def test_who_may_not_edit_the_run_gives_no_orders(store):
    store.user = "vera"
    client = client_of(store)

    assert client.post(ORDERS, json=CANCEL).status_code == 403
    assert client.put(ORDERS, json={"entries": {}}).status_code == 403
    assert store.entries == {}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"tasks": []}, "Field required"),
        ({"kind": "none"}, "Input should be 'cancel', 'skip', 'retry' or 'continue'"),
        ({"kind": "mark"}, "Input should be 'cancel', 'skip', 'retry' or 'continue'"),
        ({"kind": "skip"}, "Value error, skip: say which wave"),
        ({"kind": "retry", "wave": " "}, "Value error, retry: say which wave"),
        ({"kind": "continue", "reason": "why"}, "Value error, continue: say which wave"),
        (
            {"kind": "continue", "wave": "web", "reason": " \n"},
            "Value error, continue: say why the run shall go on past a failed wave",
        ),
        ({"kind": "cancel", "reason": "x" * 5001}, "String should have at most 5000 characters"),
        ({"kind": "cancel", "tasks": ["t"] * 2001}, "List should have at most 2000 items after validation, not 2001"),
        ({"kind": "cancel", "tasks": ["t" * 251]}, "String should have at most 250 characters"),
    ],
)
def test_what_is_no_order_is_refused_and_nothing_is_kept(client, store, body, problem):
    answer = client.post(ORDERS, json=body)

    assert answer.status_code == 422
    assert [found["msg"] for found in answer.json()["detail"]] == [problem]
    assert store.entries == {}


def test_a_long_reason_is_cut_and_stays_in_one_line(client, store):
    client.post(ORDERS, json={**CANCEL, "reason": "no\n" * 1000})

    message = kept(store, "web.start_recovery", RunOrder).message
    assert message.startswith("cancelled by ada: no no")
    assert len(message) <= 330
    assert "\n" not in message


def test_former_orders_are_given_back_as_they_were(client, store):
    client.post(ORDERS, json=CANCEL)
    former = {task: store.entries[task, RunOrder.KEY] for task in CANCEL["tasks"]}
    before = dict(store.entries)
    client.post(ORDERS, json={**CANCEL, "kind": "retry", "wave": "web"})
    store.user = "bob"

    answer = client.put(ORDERS, json={"entries": former})

    assert (answer.status_code, answer.json()) == (200, {"message": "the orders stand as before"})
    assert store.entries == before
    assert kept(store, "web.start_recovery", RunOrder).message == "cancelled by ada: wrong network"


@pytest.mark.parametrize(
    ("forge", "problem"),
    [
        pytest.param(unsigned, UNSIGNED, id="unsigned"),
        pytest.param(lambda entry: {**entry, "message": "cancelled by bob"}, EDITED, id="edited"),
        pytest.param(lambda _: {}, UNSIGNED, id="empty"),
        pytest.param(lambda _: order_of("database.start_recovery", kind="cancel"), EDITED, id="of another task"),
        pytest.param(
            lambda _: signed(RunOrder(kind="cancel"), DAG, "manual__2", "web.start_recovery"), EDITED, id="another run"
        ),
        pytest.param(
            lambda _: signed(RunOrder(kind="cancel"), DAG, RUN, "web.start_recovery"), EDITED, id="an obeyed one's XCom"
        ),
        pytest.param(
            lambda _: signed(
                RunOrder(kind="cancel"), DAG, RUN, "web.start_recovery", key="launch", stored_in="task_state_store"
            ),
            EDITED,
            id="of another key",
        ),
    ],
)
def test_only_what_was_signed_for_a_task_is_given_back_and_else_nothing_is(client, store, forge, problem):
    good = order_of("database.start_recovery", kind="cancel", message="cancelled by ada")
    forged = forge(order_of("web.start_recovery", kind="cancel", message="cancelled by ada"))

    answer = client.put(ORDERS, json={"entries": {"database.start_recovery": good, "web.start_recovery": forged}})

    assert (answer.status_code, answer.json()) == (
        422,
        {"detail": f"task state store entry drs_order of web.start_recovery: {problem}"},
    )
    assert store.entries == {}


def test_a_server_without_a_key_takes_no_order_and_says_what_to_set(client, store, monkeypatch):
    def no_key():
        raise RunRefused("this Airflow has no key: set [drs] signing_key")

    monkeypatch.setattr("drs_provider.ui.orders.keys", no_key)

    answer = client.post(f"/runs/{DAG}/{RUN}/orders", json={"kind": "cancel", "is_recorded": True})

    assert (answer.status_code, answer.json()) == (503, {"detail": "this Airflow has no key: set [drs] signing_key"})
    assert store.entries == {}
