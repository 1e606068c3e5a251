"""Whether a wave's launch worked."""

import pytest
from drs_provider.rules.launch.results import MOST_EVENTS, ServerResult, judge, table, tolerance
from hypothesis import given
from hypothesis import strategies as st


def servers(*outcomes):
    """Make results from letters: L launched, F failed; lower case for a server that is not critical."""
    return [
        ServerResult(
            f"s-{place}",
            f"host{place}",
            critical=letter.isupper(),
            status="launched" if letter in "Ll" else "failed",
            reason=None if letter in "Ll" else "no capacity",
        )
        for place, letter in enumerate(outcomes)
    ]


@pytest.mark.parametrize(
    ("outcomes", "share", "verdict"),
    [
        ("LLL", "0", "launched"),
        ("LlL", "0", "launched"),
        ("LLF", "0", "failed"),
        ("LLf", "0", "completed_with_exceptions"),
        ("lff", "0", "completed_with_exceptions"),
        ("LLF", "1", "completed_with_exceptions"),
        ("LFF", "1", "failed"),
        ("LFf", "1", "completed_with_exceptions"),
        ("LLLLLLLLLF", "10%", "completed_with_exceptions"),
        ("LLLLLLLLF", "10%", "failed"),
        ("FFF", "100%", "completed_with_exceptions"),
        ("", "0", "launched"),
    ],
)
def test_only_critical_failures_count_but_no_failure_is_hidden(outcomes, share, verdict):
    assert judge(servers(*outcomes), allows=tolerance(share)) == verdict


@given(st.text("LlFf", max_size=20), st.integers(0, 20))
def test_a_failure_is_never_called_launched(outcomes, allowed):
    verdict = judge(servers(*outcomes), allows=tolerance(allowed))

    assert (verdict == "launched") == (not set(outcomes) & set("Ff"))
    assert (verdict == "failed") == (outcomes.count("F") > allowed)


@given(st.integers(0, 100), st.integers(1, 500))
def test_a_percentage_is_compared_without_rounding(percent, total):
    allows = tolerance(f"{percent}%")
    most = max(failed for failed in range(total + 1) if allows(failed, total))

    assert most == total * percent // 100


@pytest.mark.parametrize(
    ("share", "said"),
    [
        ("ten", "'ten' is no share: write a whole number, or a percentage as '10%'"),
        ("-1", "'-1' is no share: write a whole number, or a percentage as '10%'"),
        ("1.5%", "'1.5%' is no share: write a whole number, or a percentage as '10%'"),
        (True, "True is no share: write a whole number, or a percentage as '10%'"),
        ("101%", "'101%' is more than all servers"),
    ],
)
def test_what_is_no_share_is_refused(share, said):
    with pytest.raises(ValueError) as caught:
        tolerance(share)

    assert str(caught.value) == said


def test_the_table_shows_the_failed_servers_first():
    assert table(servers("L", "f", "F")) == (
        "SERVER                OUTCOME   INSTANCE  STATE  POINT IN TIME  REASON\n"
        "host1 (not critical)  FAILED    -         -      -              no capacity\n"
        "host2                 FAILED    -         -      -              no capacity\n"
        "host0                 launched  -         -      -              -"
    )


@given(st.integers(0, 3 * MOST_EVENTS))
def test_a_result_stays_bounded_and_keeps_its_first_and_last_event(count):
    events = tuple({"at": str(number), "event": "X"} for number in range(count))

    kept = ServerResult("s-1", "db1", critical=True, status="launched", events=events).as_json()["events"]

    assert len(kept) == min(count, MOST_EVENTS)
    assert kept[:1] == list(events[:1])
    assert kept[-1:] == list(events[-1:])
