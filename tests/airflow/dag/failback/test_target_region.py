"""In which Region a run asks where its plan leaves that to DRS."""

from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from drs_provider.dag import target_region
from drs_provider.dag.target_region import settle_region, target_in_run
from drs_provider.exceptions import RunRefused
from drs_provider.rules.run.handover import Launch, PreflightResult
from drs_provider.rules.run.roster import Target

pytestmark = pytest.mark.airflow

OPEN, EAST = Target("aws_origin", ""), Target("aws_origin", "us-east-1")


def preflight(*regions, passed=True, conn="aws_origin"):
    targets = [{"aws_conn_id": conn, "region": "", "resolved_region": region, "servers": []} for region in regions]
    return PreflightResult.from_json(
        {
            "plan": "shop",
            "digest": "abc",
            "passed": passed,
            "mode": "failback_drill",
            "checked_at": "2026-01-01T00:00:00+00:00",
            "needs_approval": False,
            "waves": {"database": {"selected": True, "targets": targets}},
        }
    )


@pytest.fixture
def context(monkeypatch):
    """What a task sees of a run that has left some documents."""

    def context(*left, dag_id="drs.shop.failback", cleared=0):
        def believed(_ti, _tasks, document):
            return [found for found in left if isinstance(found, document)]

        monkeypatch.setattr(target_region, "pull_believed", believed)
        run = SimpleNamespace(dag_id=dag_id, clear_number=cleared)
        return {"dag_run": run, "ti": None, "dag": SimpleNamespace(task_ids=["database.start_drill", "finish.report"])}

    return context


def test_a_region_that_the_plan_names_is_asked_whatever_the_records_say(context):
    assert target_in_run(context(preflight("eu-west-1")), EAST) == EAST


def test_on_the_way_there_it_is_the_connections_own(context):
    assert target_in_run(context(dag_id="drs.shop"), OPEN) == OPEN


def test_on_the_way_back_it_is_what_preflight_has_found(context):
    assert target_in_run(context(preflight("us-east-1")), OPEN) == EAST


def test_where_preflight_has_left_nothing_of_it_the_launches_tell(context):
    launch = Launch(region="us-east-1", aws_conn_id="aws_origin", jobs=())

    assert target_in_run(context(preflight(passed=False), launch), OPEN) == EAST


def test_where_nothing_goes_back_nothing_is_asked(context):
    with pytest.raises(AirflowSkipException, match="launches nothing in the Region of connection aws_origin"):
        target_in_run(context(preflight("us-east-1", conn="aws_other")), OPEN)


@pytest.mark.parametrize(
    ("left", "cleared"), [((), 0), ((preflight(passed=False),), 0), ((preflight("us-east-1", conn="aws_other"),), 1)]
)
def test_where_nobody_can_tell_nothing_is_asked_and_it_says_so(context, left, cleared):
    with pytest.raises(RunRefused, match=r"Name it in failback\.origin\.region"):
        target_in_run(context(*left, cleared=cleared), OPEN)


def test_a_task_asks_there(context):
    task = SimpleNamespace(region_name=None)
    settle_region(task, context(preflight("us-east-1")), OPEN)

    assert task.region_name == "us-east-1"
