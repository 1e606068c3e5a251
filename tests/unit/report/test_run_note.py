"""A run's verdict in its note."""

import pytest
from drs_provider.report.run_note import with_verdict, without_verdict
from drs_provider.rules.run.handover import WrittenReport
from hypothesis import given
from hypothesis import strategies as st

REPORT = WrittenReport(
    verdict="completed_with_exceptions",
    reason="1 of 3 servers is not there: db3.",
    html_path="file:///reports/drs.shop/r/report.html",
    json_path="file:///reports/drs.shop/r/report.json",
)
LINE = (
    "Verdict: completed with exceptions. 1 of 3 servers is not there: db3. "
    "Report: file:///reports/drs.shop/r/report.html"
)
WHAT = "Verdict: completed with exceptions. 1 of 3 servers is not there: db3."


@pytest.mark.parametrize(
    ("note", "becomes"),
    [
        pytest.param(None, LINE, id="no note"),
        pytest.param("ask Ann first", f"ask Ann first\n{LINE}", id="people's stays"),
        pytest.param(f"ask Ann first\nVerdict: failed. Old.\nb\n{LINE}", f"ask Ann first\nb\n{LINE}", id="one verdict"),
        pytest.param("x" * 900, "x" * 900 + f"\n{WHAT}", id="no room for the place of the report"),
        pytest.param(
            "x" * 935, "x" * 935 + "\nVerdict: completed with exceptions. 1 of 3 servers is not there…", id="cut"
        ),
        pytest.param("x" * 945, "x" * 945, id="no room"),
    ],
)
def test_a_verdict_is_the_last_line_of_a_note(note, becomes):
    assert with_verdict(note, REPORT) == becomes


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="\r\n\x0b\x0c\x1c\x1d\x1e\x85")), max_size=5))
def test_people_s_lines_always_stay_and_it_is_never_too_long(lines):
    note = "\n".join(lines)[:1000]
    kept = without_verdict(note)

    noted = with_verdict(note, REPORT.model_copy(update={"reason": "why " * 400}))

    assert len(noted) <= 1000
    assert without_verdict(noted) == kept
    assert with_verdict(noted, REPORT) == with_verdict(note, REPORT)
