"""What reports say of single servers, as the index holds it: it follows what is written again, and what is gone."""

import json

from drs_provider.services.history import index as index_module
from drs_provider.services.history.index import HistoryIndex
from kit.past_runs import a_report, put_report


def looked(index, now):
    now[0] += index_module.FRESH_FOR + 1
    index.launches()
    assert index.wait(20)
    return index.launches()


def servers_of(report, status):
    return {
        server["server_id"]
        for wave in json.loads(json.dumps(report))["waves"]
        for server in wave["servers"]
        if server["status"] == status
    }


def test_what_reports_say_of_servers_follows_the_reports(tmp_path):
    now = [0.0]
    index = HistoryIndex(lambda: tmp_path, clock=lambda: now[0])
    first, second = a_report(run_id="a"), a_report(run_id="b")
    put_report(tmp_path, first)
    put_report(tmp_path, second)

    found = looked(index, now)
    launched = servers_of(first, "launched")
    assert launched
    assert found.of_server.keys() == launched | servers_of(first, "failed")
    assert {run.run_id for run in found.of(min(launched))} == {"a", "b"}
    assert looked(index, now) is found

    for wave in second["waves"]:
        for server in wave["servers"]:
            server["status"] = "not_started"
    put_report(tmp_path, second)
    (tmp_path / "drs.shop" / "a" / "report.json").unlink()

    assert looked(index, now).of(min(launched)) == ()
