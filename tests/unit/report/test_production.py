"""Whether recovered production is up, as the reports of a plan's runs tell."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.report.evidence import RunFacts
from drs_provider.report.measure import measure
from drs_provider.report.production import production_up
from drs_provider.rules.run.state.vocabulary import ServerStatus
from kit.evidence import a_passed_drill

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DONE = measure(a_passed_drill())
ALL = [server.server_id for wave in DONE.waves for server in wave.servers]


def report(run_id, mode, *, days_ago, launched=ALL):
    """A run that launched these servers; the others of its plan were not started."""
    at = NOW - timedelta(days=days_ago)
    waves = [
        wave.model_copy(
            update={
                "servers": [
                    server.model_copy(
                        update={
                            "status": ServerStatus.LAUNCHED
                            if server.server_id in launched
                            else ServerStatus.NOT_STARTED
                        }
                    )
                    for server in wave.servers
                ]
            }
        )
        for wave in DONE.waves
    ]
    run = RunFacts(dag_id="drs.shop", run_id=run_id, mode=mode, plan="shop", started_at=at)
    return DONE.model_copy(update={"run": run, "finished_at": at, "waves": waves})


RECOVERED = report("r1", "recovery", days_ago=2)


@pytest.mark.parametrize(
    ("reports", "up"),
    [
        pytest.param([], None, id="no run"),
        pytest.param([report("d1", "drill", days_ago=3)], None, id="a drill"),
        pytest.param([report("r1", "recovery", days_ago=2, launched=[])], None, id="a recovery that launched nothing"),
        pytest.param([RECOVERED, report("d1", "drill", days_ago=3)], ("r1", len(ALL)), id="a recovery after a drill"),
        pytest.param(
            [RECOVERED, report("d1", "drill", days_ago=1, launched=[])],
            ("r1", len(ALL)),
            id="a drill that was refused after it",
        ),
        pytest.param([report("d1", "drill", days_ago=1), RECOVERED], None, id="a drill of all servers after it"),
        pytest.param(
            [RECOVERED, report("d1", "drill", days_ago=1, launched=ALL[:1])],
            ("r1", len(ALL) - 1),
            id="a drill of a part after it",
        ),
        pytest.param(
            [RECOVERED, report("r2", "recovery", days_ago=1, launched=ALL[:1])],
            ("r2", len(ALL)),
            id="a second recovery of a part",
        ),
    ],
)
def test_recovered_production_is_up_until_a_drill_shows_that_it_is_gone(reports, up):
    found = production_up(reports)

    assert (found and (found.run_id, found.servers)) == up


def test_what_is_up_is_said_in_one_sentence():
    regions = sorted({server.region for wave in DONE.waves for server in wave.servers})

    assert production_up([RECOVERED]).words == (
        f"production is up in {', '.join(regions)}: {len(ALL)} servers, recovered 2026-02-27 12:00 UTC by run r1"
    )
    assert production_up([RECOVERED]).as_json() == {
        "run": "r1",
        "since": "2026-02-27T12:00:00+00:00",
        "regions": regions,
        "servers": len(ALL),
    }
