"""Whether a report's place speaks against a run, and who sees what is written there."""

import pytest
from drs_provider.rules.findings import Finding
from drs_provider.rules.preflight.report_place import ReportPlace, executors_elsewhere

HOW = (
    "set DRS_REPORTS, or [drs] reports of Airflow's configuration, to s3://… or, if all machines share the folder, to "
    "file:///…"
)


@pytest.mark.parametrize(
    ("setting", "executors"),
    [
        ("", ()),
        ("LocalExecutor", ()),
        ("SequentialExecutor", ()),
        ("CeleryExecutor", ("CeleryExecutor",)),
        ("LocalExecutor,CeleryExecutor", ("CeleryExecutor",)),
        (" CeleryExecutor , KubernetesExecutor ", ("CeleryExecutor", "KubernetesExecutor")),
        ("airflow.executors.local_executor.LocalExecutor", ()),
        (
            "airflow.providers.amazon.aws.executors.ecs.ecs_executor.AwsEcsExecutor",
            ("AwsEcsExecutor",),
        ),
        ("here:LocalExecutor", ()),
        ("far:my.company.FarExecutor", ("FarExecutor",)),
        ("LocalExecutor;one=CeleryExecutor,LocalExecutor;two=CeleryExecutor", ("CeleryExecutor",)),
        ("LocalExecutor;one=LocalExecutor", ()),
    ],
)
def test_executors_that_run_tasks_elsewhere_are_known_however_they_are_named(setting, executors):
    assert executors_elsewhere(setting) == executors


@pytest.mark.parametrize("severity", ["refusal", "warning"])
def test_a_place_that_cannot_be_written_is_as_bad_as_the_run_has_it(severity):
    place = ReportPlace(problem="no space left", folder="/opt/reports", executors=("CeleryExecutor",))

    assert list(place.findings("shop", severity)) == [
        Finding(
            severity,
            "shop",
            "shop",
            "its report cannot be written: no space left",
            "set DRS_REPORTS, or [drs] reports of Airflow's configuration, to a place that can be written",
            "reports",
        )
    ]


@pytest.mark.parametrize(
    ("executors", "who"),
    [(("CeleryExecutor",), "CeleryExecutor"), (("AwsEcsExecutor", "Far"), "AwsEcsExecutor and Far")],
)
@pytest.mark.parametrize("severity", ["refusal", "warning"])
def test_a_folder_of_one_machine_of_several_is_a_warning_in_every_run(executors, who, severity):
    (finding,) = ReportPlace(folder="/opt/reports", executors=executors).findings("shop", severity)

    assert finding == Finding(
        "warning",
        "shop",
        "shop",
        f"its report goes to the folder /opt/reports of one machine, and {who} runs tasks on several: other machines "
        "see neither the report nor the plan that is kept for the run",
        HOW,
        "reports",
    )


@pytest.mark.parametrize(
    "place",
    [
        ReportPlace(),
        ReportPlace(folder="/opt/reports"),
        ReportPlace(executors=("CeleryExecutor",)),
    ],
)
def test_a_place_that_all_see_and_a_machine_of_its_own_are_no_reason_to_warn(place):
    assert list(place.findings("shop", "refusal")) == []
