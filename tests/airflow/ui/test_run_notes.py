"""A run's note is written by its scheduler and by people's orders at the same time: neither loses the other's line."""

import pytest
from drs_provider.ui.listeners.run_notes import Noting, _change

pytestmark = pytest.mark.airflow

OLD = "ask Ann first\nVerdict: failed. db3 is not there."


def _session():
    from airflow.utils.session import create_session

    return create_session(scoped=False)


def run_of(session, going_on):
    from drs_provider.airflow_internals.metadata import DagRun
    from sqlalchemy import select

    return session.scalar(select(DagRun).filter_by(dag_id=going_on[0], run_id=going_on[1]))


@pytest.fixture
def noted(going_on):
    """Let the run have a note, and take it away again."""

    def write(note):
        with _session() as session:
            run_of(session, going_on).note = note

    yield write
    with _session() as session:
        run_of(session, going_on).dag_run_note = None


def note_of(going_on):
    with _session() as session:
        return run_of(session, going_on).note


def test_a_run_that_goes_on_has_no_verdict(noted, going_on):
    noted(OLD)

    with _session() as session:
        Noting().on_dag_run_running(run_of(session, going_on), "")

    assert note_of(going_on) == "ask Ann first"


def test_a_line_that_came_after_the_scheduler_had_read_the_run_stays(noted, going_on):
    noted(OLD)
    with _session() as session:
        run = run_of(session, going_on)
        assert run.note == OLD
        session.commit()  # as a scheduler: what it has read stays with it
        noted(f"{OLD}\ncontinued past failed wave two")

        Noting().on_dag_run_running(run, "")

    assert note_of(going_on) == "ask Ann first\ncontinued past failed wave two"


def test_a_line_that_comes_between_reading_and_writing_stays(noted, going_on, monkeypatch):
    noted(OLD)
    seen = []

    def change(note):
        seen.append(note)
        if len(seen) == 1:
            noted("bob was here")
        return f"{note}!"

    with _session() as session:
        _change(run_of(session, going_on), change)

    assert (seen, note_of(going_on)) == ([OLD, "bob was here"], "bob was here!")


def test_a_note_that_is_nothing_but_a_verdict_is_empty_when_the_run_goes_on(noted, going_on):
    noted("Verdict: failed. db3 is not there.")

    with _session() as session:
        Noting().on_dag_run_running(run_of(session, going_on), "")

    assert note_of(going_on) in ("", None)


def test_a_note_that_somebody_has_deleted_meanwhile_is_no_error(noted, going_on):
    from sqlalchemy import delete

    noted(OLD)
    with _session() as session:
        run = run_of(session, going_on)
        note = run.dag_run_note
        session.execute(delete(type(note)).execution_options(synchronize_session=False))

        Noting().on_dag_run_running(run, "")

    assert not note_of(going_on)


def test_a_run_without_a_note_gets_one(noted, going_on):
    with _session() as session:
        _change(run_of(session, going_on), lambda note: f"{note or ''}first")

    assert note_of(going_on) == "first"
