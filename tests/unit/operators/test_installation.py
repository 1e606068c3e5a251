"""Which Airflow a task belongs to."""

import logging

import pytest
from drs_provider import clock
from drs_provider.operators.installation import VARIABLE, installation_of, this_installation
from drs_provider.rules.run.handover import RunInstallation
from kit.fake_context import fake_context
from kit.fake_drs import MemoryStore


class Variables:
    """Airflow's Variables; ``by_another``: what another task sets at the same moment."""

    def __init__(self, **kept):
        self.kept, self.by_another, self.error, self.asked = kept, None, None, 0
        self.there = set()
        """What is there although ``get`` does not give it: it answers so whatever has gone wrong."""

    def get(self, key, default=None):
        self.asked += 1
        if self.error:
            raise self.error
        return self.kept.get(key, default)

    def set(self, key, value, description=None):
        self.kept[key] = self.by_another or value


@pytest.fixture
def variables(monkeypatch):
    found = Variables()
    monkeypatch.delenv("DRS_INSTALLATION")
    monkeypatch.setattr("airflow.sdk.Variable", found)
    monkeypatch.setattr("drs_provider.airflow_internals.tasks.has_no_variable", lambda key: key not in found.there)
    monkeypatch.setattr(clock, "sleep", lambda _: None)
    return found


def test_the_setting_goes_before_the_variable_and_asks_nobody(variables, monkeypatch):
    monkeypatch.setenv("DRS_INSTALLATION", "dublin")

    assert (this_installation(), variables.asked) == ("dublin", 0)


def test_the_first_task_makes_one_and_all_others_find_it(variables):
    made = this_installation()

    assert (len(made), variables.kept) == (8, {VARIABLE: made})
    assert this_installation() == made


def test_of_two_that_are_made_at_once_both_tasks_take_the_one_that_stays(variables):
    variables.by_another = "3f9a12bc"

    assert this_installation() == "3f9a12bc"


def test_what_somebody_has_written_into_the_variable_is_a_name_at_most(variables):
    variables.kept[VARIABLE] = "x" * 999

    assert this_installation() == this_installation()
    assert len(this_installation()) == 14


def test_an_id_that_airflow_has_and_does_not_give_now_is_not_replaced(variables, caplog):
    variables.there = {VARIABLE}

    assert (this_installation(), variables.kept) == ("", {})
    assert "Airflow has it and does not give it now" in caplog.text


def test_no_run_fails_because_no_variable_can_be_had(variables, caplog):
    variables.error = RuntimeError("database is locked")

    with caplog.at_level(logging.WARNING):
        assert this_installation() == ""
    (said,) = caplog.messages
    assert said == (
        "The id of this Airflow can neither be read from the Variable drs_installation_id nor kept there: database is "
        "locked. Another Airflow with the same plans cannot be told from this one. Set [drs] installation (or "
        "DRS_INSTALLATION) on all machines"
    )


def test_a_run_keeps_the_name_under_which_it_began_whatever_is_set_since(variables):
    store = MemoryStore()
    variables.kept[VARIABLE] = "dublin"
    first = installation_of(fake_context(store))
    variables.kept[VARIABLE] = "paris"

    assert (first, installation_of(fake_context(store, try_number=2))) == ("dublin", "dublin")


@pytest.mark.parametrize(
    ("try_number", "cleared", "has_begun", "name"),
    [(1, 0, False, "dublin"), (2, 0, False, "dublin"), (2, 1, False, ""), (1, 0, True, "")],
    ids=["begun now", "its worker was killed", "cleared", "it has launched"],
)
def test_what_an_older_version_has_begun_goes_on_under_its_name(variables, try_number, cleared, has_begun, name):
    variables.kept[VARIABLE] = "dublin"
    store = MemoryStore()

    context = fake_context(store, try_number=try_number)
    context["dag_run"].clear_number = cleared
    assert installation_of(context, has_begun=has_begun) == name
    assert installation_of(fake_context(store)) == name
    assert RunInstallation.KEY in store


def test_an_edited_record_of_it_is_refused_by_name(variables):
    from drs_provider.exceptions import HandoverUnreadable

    store = MemoryStore()
    installation_of(fake_context(store))
    store[RunInstallation.KEY] = {**store[RunInstallation.KEY], "id": "paris"}

    with pytest.raises(HandoverUnreadable, match="task state store entry drs_installation of t"):
        installation_of(fake_context(store))
