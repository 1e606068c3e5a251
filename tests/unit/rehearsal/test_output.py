"""A prediction as text, word for word, and never wider than a page."""

from dataclasses import replace

from drs_provider.rehearsal.output import NARROWEST, WIDEST, WIDTH, as_text
from drs_provider.rehearsal.prediction import (
    Objective,
    OtherWay,
    PredictedFailure,
    Prediction,
    QuotaUse,
    StepForecast,
    WaveForecast,
    beside,
)
from hypothesis import given
from hypothesis import strategies as st

GOOD = Prediction(
    plan="shop",
    title="Web shop",
    plan_digest="295ea4581ecf84a07eba",
    mode="drill",
    fleet="on a fleet made up from the plan, 12 servers",
    random_seed=7,
    fate="good",
    verdict="passed",
    verdict_reason="All 12 servers in 2 waves were launched.",
    launched_seconds=1140.2,
    elapsed_seconds=1205.0,
    rto=Objective(2700.0, 1140.2, "met"),
    rpo=Objective(300.0, 2.0, "met"),
    critical_path=("database", "web"),
    boots_seconds=0.0,
    drs_seconds=1100.0,
    waited_seconds=30.0,
    orchestration_seconds=10.2,
    margin_seconds=5.1,
    waves=(
        WaveForecast("database", "launched", None, (), True, 10, 9, 10, 1, 2.4, 560.0),
        WaveForecast(
            "web",
            "launched",
            None,
            ("database",),
            True,
            2,
            2,
            2,
            1,
            592.4,
            1141.0,
            (
                StepForecast("shop-answers", "http", "after", 1142.0, 1142.0, "success", assumed=True, why="it asks"),
                StepForecast("settle", "wait", "after", 1143.2, 1203.2, "success", assumed=False),
            ),
        ),
    ),
    before=(StepForecast("freeze", "lambda", "before", None, None, "skipped", assumed=False),),
    after=(),
    quotas=(QuotaUse("111122223333", "us-west-2", 1, 20, 10, 500, 100),),
    api_calls={"drs:DescribeJobs": 1204, "drs:StartRecovery": 2, "ec2:DescribeInstances": 1},
    failures=(),
    warnings=(),
    assumptions=("Airflow takes 0.9 s to start a task, and to let a waiting one continue",),
)

GOOD_TEXT = """\
Rehearsal of Web shop (shop): drill, plan version 295ea4581ecf
on a fleet made up from the plan, 12 servers; seed 7

  ENDS WELL passed: All 12 servers in 2 waves were launched.
  RTO       19m of 45m: met, 26m to spare
  RPO       2 s of 5m: met, 4m 58s to spare
  Elapsed   19m until the last server is launched, 20m 05s in all

  Timeline                    servers    start      end     took  0:00                20:03
    before freeze              lambda  skipped
* database                         10     0:02     9:20     9:18  ████████████
* web                               2     9:52    19:01     9:09              ████████████
    after shop-answers           http    19:02    19:02     0:00                          ▒  assumed
    after settle                 wait    19:03    20:03     1:00                          ▒
  * on the critical path; 11 of 12 servers are critical

Critical path  database -> web
               18m 20s in DRS jobs, 30 s waited on purpose, 10.2 s between them

Quotas, at the fullest moment                       jobs     servers in jobs
  account 111122223333, us-west-2                1 of 20           10 of 500

AWS calls: 1,207
  1,204 DescribeJobs, 2 StartRecovery, 1 ec2:DescribeInstances

Assumptions
  - Airflow takes 0.9 s to start a task, and to let a waiting one continue
"""

BAD = replace(
    GOOD,
    title="shop",
    fate="failed",
    verdict="failed",
    verdict_reason="Wave database failed.",
    launched_seconds=None,
    rto=Objective(600.0, 1140.2, "missed"),
    rpo=Objective(None, None, "no_objective"),
    critical_path=(),
    waves=(
        WaveForecast("database", "failed", "why", (), False, 10, 9, 8, 1, 2.4, 560.0),
        WaveForecast("web", "not_started", "it waits for database", ("database",), False, 2, 2, 0, 0, None, None),
    ),
    before=(),
    failures=(
        PredictedFailure(
            "db1 (s-00000000000000001)", "CONVERSION_FAIL: InsufficientInstanceCapacity", "Choose another type."
        ),
        PredictedFailure("finish.clean_up", "2 instances\nare still there"),
    ),
    warnings=("db2: its data is 20 min old",),
    not_predicted=("the mapped task web.more is not run",),
)

BAD_TEXT = """\
Rehearsal of shop: drill, plan version 295ea4581ecf
on a fleet made up from the plan, 12 servers; seed 7

  FAILS     failed: Wave database failed.
  RTO       19m of 10m: MISSED by 9m
  RPO       not known; the plan sets no objective
  Elapsed   no server launched, 20m 05s in all

  Timeline                    servers    start      end     took  0:00                 9:20
  database                       8/10     0:02     9:20     9:18  █████████████████████████  FAILED
  web                             0/2  not started: it waits for database
  * on the critical path; 11 of 12 servers are critical

Quotas, at the fullest moment                       jobs     servers in jobs
  account 111122223333, us-west-2                1 of 20           10 of 500

AWS calls: 1,207
  1,204 DescribeJobs, 2 StartRecovery, 1 ec2:DescribeInstances

What goes wrong
  - db1 (s-00000000000000001): CONVERSION_FAIL: InsufficientInstanceCapacity
    Choose another type.
  - finish.clean_up: 2 instances are still there

Preflight warns
  - db2: its data is 20 min old

Assumptions
  - Airflow takes 0.9 s to start a task, and to let a waiting one continue

Not predicted
  - the mapped task web.more is not run
"""


def test_a_run_that_ends_well():
    assert as_text(GOOD) == GOOD_TEXT


def test_a_run_that_fails():
    assert as_text(BAD) == BAD_TEXT


def test_an_objective_that_is_missed_has_a_word_of_its_own():
    late = replace(GOOD, fate="objective_missed", rto=Objective(600.0, 1140.2, "missed"))
    assert "\n  MISSES    passed: All 12 servers" in as_text(late)


NARROW = """\
  Timeline            servers    start      end     took  0:00    20:03
    before freeze      lambda  skipped
* database                 10     0:02     9:20     9:18  ██████
* web                       2     9:52    19:01     9:09        ██████
    after shop-answ…     http    19:02    19:02     0:00              ▒  assumed
    after settle         wait    19:03    20:03     1:00              ▒
"""

WIDE = """\
  Timeline                    servers    start      end     took  0:00                                    20:03
"""


def test_the_timeline_takes_the_width_that_there_is():
    assert NARROW in as_text(GOOD, 80)
    assert WIDE in as_text(GOOD, 120)
    assert as_text(GOOD, 10) == as_text(GOOD, 80)
    assert as_text(GOOD, 400) == as_text(GOOD, 120)


@given(st.text(min_size=1), st.text(), st.integers(0, 4000), st.floats(0, 1e6), st.floats(0, 1e6))
def test_nothing_is_wider_than_a_page_or_holds_control_characters(name, words, count, start, took):
    wave = WaveForecast(name, "failed", words, (), True, count, count, 0, 1, start, start + took)
    never = WaveForecast(name, "not_started", words, (), False, count, count, 0, 0, None, None)
    step = StepForecast(name, "ssm_automation", "before", start, start + took, "failed", assumed=False)
    one = replace(
        GOOD,
        title=name,
        verdict_reason=words,
        critical_path=(name,),
        waves=(replace(wave, steps=(step,)), never),
        failures=(PredictedFailure(name, words, words),),
        warnings=(words,),
        api_calls={f"ec2:{count}": count},
    )
    for width in (NARROWEST, WIDTH, WIDEST):
        for line in as_text(one, width).split("\n"):
            assert len(line) <= width
            assert line.isprintable()


def test_json_says_the_same_in_plain_values():
    said = GOOD.as_json()
    assert said["format_version"] == 2
    assert said["waves"][1]["steps"][0] == {
        "name": "shop-answers",
        "kind": "http",
        "place": "after",
        "start_seconds": 1142.0,
        "end_seconds": 1142.0,
        "state": "success",
        "assumed": True,
        "why": "it asks",
        "summary": "",
    }
    assert said["rto"] == {"target_seconds": 2700.0, "predicted_seconds": 1140.2, "outcome": "met"}


def test_a_run_that_launches_ahead_says_what_that_saves():
    def said(verdict, seconds, saved):
        lines = as_text(replace(GOOD, launch="ahead", in_waves=OtherWay(verdict, seconds, saved))).splitlines()
        return [line.strip() for line in lines if line.startswith("  Launch ")]

    assert said("passed", 2680.2, 1540.0) == [
        "Launch    ahead saves 25m 40s: launched in waves the RTO would be 44m 40s"
    ]
    assert said("passed", 1110.2, -30.0) == ["Launch    ahead costs 30 s: launched in waves the RTO would be 18m 30s"]
    assert said("failed", None, None) == ["Launch    ahead; launched in waves the run would end as failed"]
    assert said("passed", 2680.2, None) == ["Launch    ahead; launched in waves the RTO would be 44m 40s"]


def test_what_ahead_saves_is_known_only_where_both_ways_recover_everything():
    fast = replace(GOOD, rto=Objective(2700.0, 1140.0, "met"))
    slow = replace(GOOD, rto=Objective(2700.0, 2680.0, "met"))

    assert beside(fast, slow).in_waves == OtherWay("passed", 2680.0, 1540.0)
    assert beside(replace(fast, verdict="failed"), slow).in_waves == OtherWay("passed", 2680.0, None)
    assert beside(fast, replace(slow, verdict="failed")).in_waves == OtherWay("failed", None, None)
