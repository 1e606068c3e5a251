"""Answer links in Airflow's real API server: who may, once, until when, and what Airflow records."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.notify.answer_links import LinkRefused, Permit, seal

pytestmark = pytest.mark.airflow

TASK = "web.start_recovery"
"""Any task: the question is put into Airflow's database by hand."""

EVIL = "<script>alert(1)</script>"


def _session():
    from airflow.utils.session import create_session

    return create_session()


def _row(session, model=None):
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import select

    found = session.scalar(
        select(TaskInstance).where(TaskInstance.dag_id == "drs.web-shop", TaskInstance.task_id == TASK)
    )
    return session.get(model, found.id) if model else found


@pytest.fixture
def key():
    from airflow.configuration import conf

    return conf.get("api", "secret_key")


@pytest.fixture
def permit(api, going_on):
    """A question that waits for adam, and what a link of his allows."""
    from airflow.models.hitl import HITLDetail
    from airflow.models.log import Log
    from sqlalchemy import delete

    with _session() as session:
        task = _row(session)
        task.state = "awaiting_input"
        session.execute(delete(Log).where(Log.event.like("drs_answer_link%")))
        session.execute(delete(HITLDetail))
        adam = [{"id": "adam", "name": "adam"}]
        session.add(
            HITLDetail(ti_id=task.id, options=["Continue", "Stop"], subject=f"Go on? {EVIL}", body=EVIL, assignees=adam)
        )
        until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        made = Permit("drs.web-shop", task.run_id, TASK, -1, str(task.id), "adam", until)
    yield made
    with _session() as session:
        _row(session).state = None
        session.execute(delete(HITLDetail))


PATH = "/drs/answers"


def show(api, permit, key):
    """What the page of a link does with what stands behind ``#``."""
    return api.post(PATH, data={"token": seal(permit, key)})


def give(api, permit, key, choice):
    return api.post(PATH, data={"token": seal(permit, key), "choice": choice})


def recorded():
    from airflow.models.hitl import HITLDetail

    with _session() as session:
        detail, task = _row(session, HITLDetail), _row(session)
        return detail.responded_by, detail.chosen_options, str(task.state)


NOTHING = (None, None, "awaiting_input")


def test_a_link_shows_the_question_as_text_and_answers_nothing_by_itself(api, permit, key):
    page = show(api, permit, key)

    assert page.status_code == 200
    assert EVIL not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert "This link is for <b>adam</b>" in page.text
    assert 'value="Continue"' in page.text
    assert "script-src" not in page.headers["content-security-policy"]
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert (page.headers["cache-control"], page.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert recorded() == NOTHING


def test_the_link_itself_holds_the_token_behind_the_hash_and_its_page_knows_nothing(api, permit, key):
    page = api.get(PATH)

    assert page.status_code == 200
    assert "location.hash" in page.text
    assert "history.replaceState" in page.text
    assert "adam" not in page.text
    assert "script-src 'sha256-" in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "no-referrer"
    assert '<meta name="referrer" content="no-referrer">' in page.text
    assert api.get(f"{PATH}/{seal(permit, key)}").status_code == 404


@pytest.mark.parametrize("body", ["", "token=", "choice=Continue", "token=%00", "nonsense"])
def test_a_form_without_a_token_answers_nothing(api, permit, body):
    answer = api.post(PATH, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})

    assert (answer.status_code, "not from this Airflow" in answer.text) == (403, True)
    assert recorded() == NOTHING


def test_a_form_is_read_up_to_a_bound_whatever_it_says_about_its_length(api):
    def endless():
        for _ in range(64):
            sent.append(1)
            yield b"token=" + b"a" * 4096

    sent = []
    assert api.post(PATH, content=b"token=" + b"a" * 9000).status_code == 413
    assert api.post(PATH, content=endless()).status_code == 413


def test_the_answer_is_recorded_as_the_persons_and_the_task_goes_on(api, permit, key):
    answer = give(api, permit, key, "Continue")

    assert answer.status_code == 200
    assert "Continue: thank you, adam." in answer.text
    assert recorded() == ({"id": "adam", "name": "adam"}, ["Continue"], "scheduled")
    with _session() as session:
        from airflow.models.log import Log
        from sqlalchemy import select

        (kept,) = session.scalars(select(Log).where(Log.event == "drs_answer_link")).all()
        assert (kept.owner, kept.dag_id, kept.task_id) == ("adam", "drs.web-shop", TASK)
        assert kept.extra not in seal(permit, key)
        assert seal(permit, key) not in kept.extra


def test_a_link_works_once_also_where_the_same_question_is_asked_again(api, permit, key):
    from airflow.models.hitl import HITLDetail

    assert give(api, permit, key, "Stop").status_code == 200
    assert "has been used" in give(api, permit, key, "Continue").text
    with _session() as session:
        _row(session).state = "awaiting_input"
        detail = _row(session, HITLDetail)
        detail.responded_at = detail.responded_by = detail.chosen_options = None

    again = give(api, permit, key, "Continue")

    assert (again.status_code, "This link has been used." in again.text) == (410, True)
    assert recorded()[:2] == (None, None)
    with _session() as session:  # two refusals of the link, one line
        from airflow.models.log import Log
        from sqlalchemy import select

        (refused,) = session.scalars(select(Log).where(Log.event == "drs_answer_link_refused")).all()
        assert (refused.owner, refused.dag_id, refused.task_id) == ("adam", "drs.web-shop", TASK)


REFUSED = [
    pytest.param({"until": "2020-01-01T00:00:00+00:00"}, 410, "The time for this answer is over.", id="expired"),
    pytest.param({"ti_id": "018f0000-0000-7000-8000-000000000000"}, 410, "This question is closed", id="asked anew"),
    pytest.param({"run_id": "another"}, 410, "This question is closed", id="another run"),
    pytest.param({"map_index": 1}, 410, "This question is closed", id="another square of a mapped task"),
    pytest.param({"person": "vera"}, 403, "vera may not answer questions of this plan.", id="only a viewer today"),
    pytest.param({"person": "eve"}, 403, "Airflow has no user eve.", id="nobody today"),
    pytest.param({"until": "soon"}, 403, "not from this Airflow", id="no instant"),
]


@pytest.mark.parametrize(("change", "status", "said"), REFUSED)
def test_a_permit_that_does_not_hold_is_refused_with_a_clear_page(  # noqa: PLR0917 - a table and fixtures
    api, permit, key, change, status, said
):
    changed = replace(permit, **change)

    for answer in (show(api, changed, key), give(api, changed, key, "Continue")):
        assert (answer.status_code, said in answer.text) == (status, True)
        assert "sign in to Airflow" in answer.text
    assert recorded() == NOTHING


def test_a_token_of_another_key_or_a_changed_one_is_refused(api, permit, key):
    good = seal(permit, key)
    foreign = seal(permit, "another key")
    body, signature = good.rsplit(".", 1)
    other_body = seal(replace(permit, person="vera"), "another key").rsplit(".", 1)[0]

    for token in (
        foreign,
        f"{body}.{signature[:-2]}AA",
        f"{other_body}.{signature}",
        body,
        "x",
        f"{good}x",
        "a" * 6000,
    ):
        answer = api.post(PATH, data={"token": token, "choice": "Continue"})
        assert (answer.status_code, "not from this Airflow" in answer.text) == (403, True), token
    assert recorded() == NOTHING


@pytest.mark.parametrize("choice", ["", "Approve", EVIL, "Continue&choice=Stop"])
def test_only_an_offered_answer_is_taken(api, permit, key, choice):
    answer = give(api, permit, key, choice)

    assert (answer.status_code, "The answer is one of: Continue, Stop." in answer.text) == (403, True)
    assert recorded() == NOTHING


def test_airflow_itself_refuses_a_person_who_is_not_among_those_asked(api, permit, key):
    from airflow.models.hitl import HITLDetail

    with _session() as session:
        _row(session, HITLDetail).assignees = [{"id": "bob", "name": "bob"}]

    answer = give(api, permit, key, "Continue")

    assert answer.status_code == 403
    assert "Airflow does not take this answer: User=adam (id=adam) is not a respondent for the task." in answer.text
    assert recorded() == NOTHING


def test_a_question_that_was_answered_in_airflow_is_over(api, permit, key, sign_in):
    path = f"/api/v2/dags/drs.web-shop/dagRuns/{permit.run_id}/taskInstances/{TASK}/-1/hitlDetails"
    answered = api.patch(path, json={"chosen_options": ["Stop"], "params_input": {}}, headers=sign_in("adam"))
    assert answered.status_code == 200

    assert give(api, permit, key, "Continue").status_code == 410
    assert recorded()[1] == ["Stop"]


class Foreign:
    """An auth manager that knows its users by numbers, if at all."""


def questions(rule, manager=None):
    from airflow.utils.session import create_session
    from drs_provider.ui.answer_links_airflow import AirflowQuestions

    opened = create_session()
    return opened, lambda session: AirflowQuestions(session, manager=manager or Foreign(), rule=rule)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            "users",
            (
                "This Airflow's users cannot be looked up by name, so links are not accepted (unless DRS_ANSWER_LINKS "
                "is plan)."
            ),
        ),
        ("off", "This Airflow accepts no answer links (DRS_ANSWER_LINKS is off)."),
    ],
)
def test_with_another_auth_manager_a_link_counts_only_where_the_plans_word_is_enough(permit, rule, said):
    opened, made = questions(rule)

    with opened as session, pytest.raises(LinkRefused) as refused:
        made(session).answer(permit, "Continue", used="u")

    assert str(refused.value) == said
    assert recorded() == NOTHING


def test_where_the_plans_word_is_enough_the_answer_is_that_persons_and_the_link_is_used(permit):
    opened, made = questions("plan")

    with opened as session:
        made(session).answer(permit, "Continue", used="u")
        session.commit()
        with pytest.raises(LinkRefused, match="This link has been used"):
            made(session).answer(permit, "Stop", used="u")

    assert recorded() == ({"id": "adam", "name": "adam"}, ["Continue"], "scheduled")


def test_where_the_plans_word_is_enough_airflow_still_refuses_whom_the_question_is_not_for(permit):
    opened, made = questions("plan")

    with opened as session, pytest.raises(LinkRefused, match="User=eve \\(id=eve\\) is not a respondent"):
        made(session).answer(replace(permit, person="eve"), "Continue", used="u")

    assert recorded() == NOTHING
