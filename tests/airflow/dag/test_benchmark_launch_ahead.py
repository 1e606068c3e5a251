"""The benchmark of launches ahead, with few servers: each way recovers the plan, and figures hold together."""

import pytest

from benchmarks.launch_ahead import cells, documents, measure

pytestmark = pytest.mark.airflow


def test_the_servers_of_a_plan_are_shared_by_its_waves():
    (cell,) = cells([(10, 4)])

    assert cell.sizes == [3, 3, 2, 2]
    assert len(cell.wave_of) == 10
    *groups, plan = documents(cell)
    assert [len(group["servers"]) for group in groups] == cell.sizes
    assert (plan["launch"], len(plan["waves"])) == ("ahead", 4)


def test_every_way_recovers_the_plan_and_ahead_needs_one_job(tmp_path):
    found = measure(tmp_path, lambda _: None, sizes=[(3, 2)], crowded=(4, 2))
    (plan,) = found["plans"]

    assert (plan["in_waves_jobs"], plan["ahead_jobs"], plan["native_jobs"]) == (2, 2, 2)
    assert plan["ahead_s"] >= plan["job_and_boots_s"]
    assert plan["in_waves_s"] > plan["native_s"] > plan["ahead_s"]
    assert plan["in_waves_at_540_s"] - plan["ahead_at_540_s"] > 540 - 60
    assert (found["crowd"]["most_jobs"], found["crowd"]["most_servers"]) == (2, 4)
    assert found["crowd"]["excess"] >= 0
