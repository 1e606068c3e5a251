"""What somebody wrote into a run past its tasks is named wherever the report is read."""

from drs_provider.report.collect.run import with_edited
from drs_provider.report.evidence import EditedDocument
from drs_provider.report.measure import measure
from drs_provider.report.page import render
from kit.evidence import a_drill_with_a_failed_database, a_passed_drill

LAUNCH, ORDER = "XCom launch of web.start_recovery", "task state store entry drs_order of web.start_recovery"
WHY = "it has no signature, so it was not written by this run's own tasks"


def test_a_good_run_in_which_something_was_edited_is_one_with_exceptions():
    report = measure(with_edited(a_passed_drill(), {LAUNCH: WHY}))

    assert report.verdict == "completed_with_exceptions"
    assert report.verdict_reason == f"{LAUNCH} was not believed: {WHY}."
    assert report.edited == (EditedDocument(where=LAUNCH, problem=WHY),)
    assert [entry.what for entry in report.timeline][-2:] == [
        f"{LAUNCH} not believed: {WHY}",
        "report written: completed with exceptions",
    ]


def test_an_edit_does_not_hide_a_failure():
    failed = a_drill_with_a_failed_database()

    report = measure(with_edited(failed, {LAUNCH: WHY}))

    assert (report.verdict, report.verdict_reason) == ("failed", measure(failed).verdict_reason)
    assert report.edited


def test_what_tasks_refused_themselves_stands_beside_it_and_nothing_twice():
    refused = a_passed_drill().model_copy(update={"edited": (EditedDocument(where=ORDER, problem=WHY),)})

    evidence = with_edited(refused, {LAUNCH: WHY, ORDER: WHY})

    assert [document.where for document in evidence.edited] == [LAUNCH, ORDER]


def test_the_page_shows_what_was_not_believed_as_text():
    page = render(measure(with_edited(a_passed_drill(), {f"{LAUNCH}<script>": f"<b>{WHY}</b>"})))

    assert "Not believed" in page
    assert "web.start_recovery&lt;script&gt;" in page
    assert "<b>it has" not in page
    assert "Not believed" not in render(measure(a_passed_drill()))
