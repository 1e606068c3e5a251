"""The sweeper with more left-overs than one job of the account may hold."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.cli import main as cli
from drs_provider.rules.launch.tags import job_tags, life_tags
from drs_provider.rules.purpose import purpose_of
from kit.dag_runs import calls, instances

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]


def test_more_left_overs_than_a_job_may_hold_are_removed_in_several(start_drs_simulator, monkeypatch, capsys):
    servers = [{"id": f"s-{n:017d}", "hostname": f"h{n}", "lag": "2s"} for n in range(120)]
    region = {"name": "us-west-2", "network": {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.0.0/22"}}}
    sim = start_drs_simulator(
        {"accounts": [{"id": "111122223333", "regions": [{**region, "servers": servers}]}]}, speed=600
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL", sim.url)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://AKIAEXAMPLE:secret@/?region_name=us-west-2")
    tags = job_tags(dag_id="drs.shop", run_id="manual__x", wave="w", chunk=0, attempt=1)
    tags |= life_tags(purpose_of("drill"), now=datetime.now(UTC), lifetime=timedelta(hours=-1))
    drs = sim.client("drs", region_name="us-west-2")
    for part in (servers[:60], servers[60:]):
        drs.start_recovery(isDrill=True, sourceServers=[{"sourceServerID": server["id"]} for server in part], tags=tags)
    sim.advance("40m")

    code = cli.main(["sweep", "--region", "us-west-2", "--format", "json"])

    swept = json.loads(capsys.readouterr().out)["us-west-2 of connection aws_default"]
    assert (code, swept["left"], len(swept["done"])) == (0, {}, 120)
    assert set(instances(sim).values()) <= {"terminated"}
    assert len(calls(sim, "TerminateRecoveryInstances")) == 2
