"""What tasks leave for each other and remember themselves: read as it was written, else refused by name."""

import copy
from dataclasses import replace

import pytest
from drs_provider.exceptions import HandoverUnreadable, RunRefused
from drs_provider.rules.run.handover import Delay, RunOrder
from drs_provider.rules.run.handover.signature import SIGNATURE, Origin
from drs_provider.services import signed
from drs_provider.services.signed import SignedStore
from kit.fake_context import FakeTaskInstance
from kit.fake_drs import MemoryStore

ORDER = RunOrder(kind="cancel", message="cancelled by ada")
WRITER = FakeTaskInstance(task_id="web.start_recovery", try_number=3)
READER = FakeTaskInstance(task_id="finish.report")
EDITED = "it is not what was written: somebody has edited it, or brought it here from elsewhere"
UNSIGNED = "it has no signature, so it was not written by this run's own tasks"
NO_KEY = (
    "this Airflow has no key to sign what its tasks leave for each other: set [drs] signing_key (or DRS_SIGNING_KEY) "
    "to the same long random text on all of its machines; [core] fernet_key serves too where it is set"
)


@pytest.fixture(autouse=True)
def use_keys(monkeypatch):
    """Let the configuration name keys; what was made of the former ones is forgotten."""

    def use(secrets):
        monkeypatch.setenv("DRS_SIGNING_KEY", secrets)
        signed.keys.cache_clear()

    use("a long random text")
    yield use
    signed.keys.cache_clear()


def left_by(writer, key=None):
    """Leave the order as a task; return how its XCom looks."""
    writer = replace(writer, pushed={})
    signed.leave(writer, ORDER, key)
    return writer.pushed[key or RunOrder.KEY]


def reader_of(value, key=RunOrder.KEY):
    return replace(READER, left={("web.start_recovery", key): value})


@pytest.mark.parametrize("key", [None, "drs_order_2"])
def test_what_a_task_leaves_another_task_of_its_run_reads(key):
    value = left_by(WRITER, key)

    assert value[SIGNATURE]["try"] == 3
    assert signed.pull(reader_of(value, key or RunOrder.KEY), "web.start_recovery", RunOrder, key) == ORDER


def test_what_a_task_returns_is_signed_for_that_place():
    value = signed.sealed(WRITER, ORDER)

    assert signed.pull(reader_of(value, "return_value"), "web.start_recovery", RunOrder, "return_value") == ORDER
    with pytest.raises(HandoverUnreadable, match=EDITED):
        signed.pull(reader_of(value), "web.start_recovery", RunOrder)


@pytest.mark.parametrize("value", [None, {}, [], ""])
def test_where_nothing_was_left_there_is_nothing(value):
    assert signed.pull(reader_of(value), "web.start_recovery", RunOrder) is None
    assert signed.pull(READER, "database.start_recovery", RunOrder) is None


def edited(value, **changes):
    return {**copy.deepcopy(value), **changes}


FORGED = [
    pytest.param(ORDER.to_json, UNSIGNED, id="unsigned"),
    pytest.param(lambda: "cancel", UNSIGNED, id="text"),
    pytest.param(lambda: [ORDER.to_json()], UNSIGNED, id="a list"),
    pytest.param(lambda: edited(left_by(WRITER), kind="skip"), EDITED, id="another kind"),
    pytest.param(lambda: edited(left_by(WRITER), more=1), EDITED, id="one key more"),
    pytest.param(lambda: left_by(replace(WRITER, dag_id="drs.crm")), EDITED, id="of another plan"),
    pytest.param(lambda: left_by(replace(WRITER, run_id="manual__2")), EDITED, id="of another run"),
    pytest.param(lambda: left_by(replace(WRITER, task_id="db.start_recovery")), EDITED, id="of another task"),
    pytest.param(lambda: left_by(replace(WRITER, map_index=0)), EDITED, id="of a mapped instance"),
    pytest.param(lambda: left_by(WRITER, "launch"), EDITED, id="of another key"),
    pytest.param(lambda: remembered_by(WRITER), EDITED, id="of the task's own memory"),
]


@pytest.mark.parametrize(("forge", "problem"), FORGED)
def test_what_was_not_left_so_is_refused_with_where_and_what_to_do(forge, problem):
    with pytest.raises(HandoverUnreadable) as caught:
        signed.pull(reader_of(forge()), "web.start_recovery", RunOrder)

    assert str(caught.value) == (
        f"the order of a person (XCom drs_order of web.start_recovery) cannot be read: {problem}. Airflow's audit log "
        "says who edited it: clear web.start_recovery, to write it again"
    )


@pytest.mark.parametrize(("forge", "problem"), FORGED)
def test_what_is_only_shown_is_not_believed_either(forge, problem):
    place = Origin("drs.shop", "manual__1", "web.start_recovery", RunOrder.KEY)

    assert signed.believed(left_by(WRITER), place) == left_by(WRITER)
    assert signed.believed(forge(), place) is None


def test_a_signed_document_of_another_type_is_refused_by_its_type():
    with pytest.raises(HandoverUnreadable, match=f"^{Delay.TITLE} .* cannot be read"):
        signed.opened(left_by(WRITER), Delay, Origin("drs.shop", "manual__1", "web.start_recovery", RunOrder.KEY))


def test_of_several_tasks_those_that_left_nothing_are_gone_by_and_an_edited_one_is_not():
    database = replace(WRITER, task_id="database.start_recovery")
    reader = reader_of(left_by(WRITER))
    reader.left["database.start_recovery", RunOrder.KEY] = left_by(database)
    tasks = ("database.start_recovery", "files.start_recovery", "web.start_recovery")

    assert signed.pull_all(reader, tasks, RunOrder) == [ORDER, ORDER]
    reader.left["database.start_recovery", RunOrder.KEY]["kind"] = "skip"
    with pytest.raises(HandoverUnreadable, match=r"XCom drs_order of database\.start_recovery"):
        signed.pull_all(reader, tasks, RunOrder)


def test_who_can_do_without_passes_over_the_edited_one_and_says_so(caplog):
    reader = reader_of(left_by(WRITER))
    reader.left["database.start_recovery", RunOrder.KEY] = ORDER.to_json()

    found = signed.pull_believed(
        reader, ("database.start_recovery", "files.start_recovery", "web.start_recovery"), RunOrder
    )

    assert found == [ORDER]
    assert [record.getMessage() for record in caplog.records] == [
        (
            "passed over: the order of a person (XCom drs_order of database.start_recovery) cannot be read: "
            f"{UNSIGNED}. Airflow's audit log says who edited it: clear database.start_recovery, to write it again"
        )
    ]


def memory_of(ti, store):
    return SignedStore(store, replace(signed.origin(ti, ""), stored_in="task_state_store"), ti.try_number)


def remembered_by(ti, key=RunOrder.KEY):
    """Return what a task's store holds once it remembers the order."""
    store = MemoryStore()
    memory_of(ti, store).set(key, ORDER.to_json())
    return store[key]


def test_a_later_try_reads_what_an_earlier_one_kept():
    store = MemoryStore()
    memory_of(WRITER, store).set(RunOrder.KEY, ORDER.to_json())

    assert store[RunOrder.KEY][SIGNATURE]["try"] == 3
    later = memory_of(replace(WRITER, try_number=4), store)
    assert RunOrder.read(later.get(RunOrder.KEY)) == ORDER
    assert later.get("launch") is None


def test_each_mapped_instance_has_a_memory_of_its_own():
    store = {RunOrder.KEY: remembered_by(replace(WRITER, map_index=1))}

    assert RunOrder.read(memory_of(replace(WRITER, map_index=1), store).get(RunOrder.KEY)) == ORDER
    with pytest.raises(HandoverUnreadable, match=r"task state store entry drs_order of web\.start_recovery\[2\]"):
        memory_of(replace(WRITER, map_index=2), store).get(RunOrder.KEY)


@pytest.mark.parametrize(
    ("kept", "problem"),
    [
        pytest.param(ORDER.to_json, UNSIGNED, id="through Airflow's API"),
        pytest.param(dict, UNSIGNED, id="emptied"),
        pytest.param(lambda: "", UNSIGNED, id="blanked"),
        pytest.param(lambda: edited(remembered_by(WRITER), kind="skip"), EDITED, id="edited"),
        pytest.param(lambda: remembered_by(WRITER, "launch"), EDITED, id="of another key"),
        pytest.param(lambda: remembered_by(replace(WRITER, run_id="manual__2")), EDITED, id="of another run"),
        pytest.param(lambda: left_by(WRITER), EDITED, id="an XCom"),
    ],
)
def test_what_others_wrote_into_a_tasks_memory_is_refused(kept, problem):
    with pytest.raises(HandoverUnreadable) as caught:
        memory_of(WRITER, {RunOrder.KEY: kept()}).get(RunOrder.KEY)

    assert str(caught.value) == (
        f"what the task remembers (task state store entry drs_order of web.start_recovery) cannot be read: {problem}. "
        "Airflow's audit log says who wrote it: delete this entry of the task's state store and clear "
        "web.start_recovery"
    )


@pytest.mark.parametrize("value", ["text", ["text"], 3, None])
def test_only_a_document_can_be_remembered(value):
    store = MemoryStore()

    with pytest.raises(TypeError, match=f"^launch: only a document can be kept, not {type(value).__name__}$"):
        memory_of(WRITER, store).set("launch", value)
    assert store == {}


def test_without_a_key_nothing_is_left_or_believed(monkeypatch, use_keys):
    value = left_by(WRITER)
    monkeypatch.setattr("drs_provider.configuration.signing_secrets", lambda: ())
    signed.keys.cache_clear()
    place = Origin("drs.shop", "manual__1", "web.start_recovery", RunOrder.KEY)
    store = MemoryStore()

    for attempt in (
        lambda: left_by(WRITER),
        lambda: signed.pull(reader_of(value), "web.start_recovery", RunOrder),
        lambda: memory_of(WRITER, store).set(RunOrder.KEY, ORDER.to_json()),
    ):
        with pytest.raises(RunRefused) as caught:
            attempt()
        assert str(caught.value) == NO_KEY
    assert store == {}
    # Pages go on without a key, and say so.
    assert signed.believed(value, place) is None
    assert signed.problem_of(value, place) == NO_KEY


def test_a_key_that_comes_later_is_taken_without_a_restart(monkeypatch):
    with monkeypatch.context() as without:
        without.setattr("drs_provider.configuration.signing_secrets", lambda: ())
        signed.keys.cache_clear()
        with pytest.raises(RunRefused):
            signed.keys()

    assert signed.pull(reader_of(left_by(WRITER)), "web.start_recovery", RunOrder) == ORDER


def test_a_replaced_key_still_verifies_behind_the_new_one_and_no_longer_without_it(use_keys):
    old = left_by(WRITER)

    use_keys("a new one, a long random text")
    assert signed.pull(reader_of(old), "web.start_recovery", RunOrder) == ORDER
    new = left_by(WRITER)
    use_keys("a new one")
    assert signed.pull(reader_of(new), "web.start_recovery", RunOrder) == ORDER
    with pytest.raises(HandoverUnreadable, match="it is signed with a key that this machine does not have"):
        signed.pull(reader_of(old), "web.start_recovery", RunOrder)
