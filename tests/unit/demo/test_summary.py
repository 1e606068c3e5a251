"""What the demo says at the end comes from the report and from EC2, and from nothing else."""

from datetime import timedelta

import pytest
from drs_provider.report.measure import measure
from kit import evidence

from demo.summary import at_real_speed, launched_by, left_over, verdict


def report_of(sample):
    return measure(sample).model_dump(mode="json")


def test_a_passed_drill_says_what_it_measured_and_what_that_means_at_real_speed():
    report = report_of(evidence.a_passed_drill())

    assert verdict(report, speed=60) == [
        f"✓ PASSED: {report['verdict_reason']}",
        "  servers    100 of 100 launched, 0 failed, 0 not started",
        "  RTO        1727.4 s measured, objective 45:00: met",
        "  RPO        138.9 s measured, objective 5:00: met",
        "             at real speed the RTO would be 28:35:28: DRS worked 60 times faster here, orchestration did not",
    ]


def test_at_speed_one_there_is_nothing_to_convert():
    assert len(verdict(report_of(evidence.a_passed_drill()), speed=1)) == 4


def test_a_failed_drill_names_server_reason_next_step_and_what_was_not_started():
    report = report_of(evidence.a_drill_with_a_failed_database())
    lines = verdict(report, speed=60)

    [failure] = report["failures"]
    assert lines[0] == f"✕ FAILED: {report['verdict_reason']}"
    assert lines[4:6] == [f"  ✕ dat3 (database): {failure['reason']}", f"    next: {failure['next_step']}"]
    assert [line.partition(" servers not started: ")[0] for line in lines[6:]] == [
        "  - application: 30",
        "  - web: 50",
        "  - monitoring: 10",
    ]


def test_a_refused_drill_says_why_preflight_refused_it():
    report = report_of(evidence.a_refused_drill())
    said = "\n".join(verdict(report, speed=60))

    assert said.startswith("⊘ REFUSED: ")
    assert [finding["what"] in said for finding in report["preflight"]["findings"]] == [
        f["severity"] == "refusal" for f in report["preflight"]["findings"]
    ]


def test_real_speed_stretches_the_jobs_and_not_the_orchestration():
    report = {
        "critical_path": {"jobs_seconds": 27.0, "overhead_seconds": 6.0},
        "objectives": {"rto": {"measured_seconds": 33.0}},
    }

    assert at_real_speed(report, 60) == timedelta(seconds=27 * 60 + 6)


@pytest.mark.parametrize(
    ("after", "launched", "said", "is_clean"),
    [
        pytest.param(
            {"i-own": "running", "i-1": "terminated", "i-2": "terminated"},
            2,
            "✓ EC2: 2 instances came during the drill, none of them is left; it launched 2",
            True,
            id="clean",
        ),
        pytest.param(
            {"i-own": "running", "i-1": "shutting-down", "i-2": "terminated"},
            2,
            "✕ EC2: 1 of 2 drill instances are still there: i-1",
            False,
            id="one is left",
        ),
        pytest.param(
            {"i-own": "running"},
            0,
            "✓ EC2: 0 instances came during the drill, none of them is left; it launched 0",
            True,
            id="none came",
        ),
        pytest.param(
            {"i-own": "running", "i-1": "terminated"},
            2,
            "! EC2 shows only 1 of the 2 instances that the drill launched: that none of them is left is not proven",
            False,
            id="one is not shown",
        ),
        pytest.param(
            {},
            100,
            "! EC2 shows only 0 of the 100 instances that the drill launched: that none of them is left is not proven",
            False,
            id="an empty answer",
        ),
        pytest.param(
            {"i-1": "terminated"},
            None,
            "! EC2: 1 instances came and are gone; without a report it is not known how many should",
            False,
            id="no report",
        ),
        pytest.param(
            None, 2, "! EC2 did not answer: whether a drill instance is left is not known", False, id="no answer"
        ),
    ],
)
def test_clean_up_is_believed_only_when_ec2_shows_as_many_as_were_launched(after, launched, said, is_clean):
    assert left_over({"i-own": "running"}, after, launched) == (said, is_clean)


def test_what_a_drill_launched_is_counted_by_its_instances_whether_terminated_or_not():
    assert launched_by(report_of(evidence.a_passed_drill())) == 100
