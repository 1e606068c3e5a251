"""What ``drs rehearse`` foretells is what the run that follows, on the same fleet and seed, then does."""

import json

import pytest
from drs_provider.cli.main import main
from kit.dag_runs import SHOP

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(240), pytest.mark.filterwarnings("default")]

SPEED = 600
"""Of the simulator that the run meets; the rehearsal has its own, at the speed of DRS itself."""

NO_ROOM = {"service": "drs", "hostname": "db3", "do": "fail_at", "event": "LAUNCH_START", "error": "NoRoom"}


@pytest.mark.parametrize("faults", [[], [NO_ROOM]], ids=["well", "with a fault"])
def test_the_run_that_follows_is_the_one_that_was_rehearsed(run, simulator, fleet_file, capsys, faults):
    tmp_path = fleet_file.parent
    plan = tmp_path / "shop.yaml"
    plan.write_text(SHOP)
    (tmp_path / "faults.json").write_text(json.dumps(faults))
    options = ["--fleet", str(fleet_file), "--faults", str(tmp_path / "faults.json"), "--format", "json"]
    main(["rehearse", str(plan), *options])
    said = capsys.readouterr()
    assert said.out, said.err
    foretold = json.loads(said.out)

    if faults:
        simulator.fault(*faults)
    report = run(SHOP).report

    assert foretold["verdict"] == report["verdict"]
    assert [wave["state"] for wave in foretold["waves"]] == [wave["state"] for wave in report["waves"]]
    assert foretold["critical_path"] == report["critical_path"]["waves"]
    assert foretold["drs_seconds"] == pytest.approx(report["critical_path"]["jobs_seconds"] * SPEED, rel=0.05)
    for foretold_wave, other in zip(foretold["waves"], report["waves"], strict=True):
        length = foretold_wave["end_seconds"] - foretold_wave["start_seconds"]
        assert length == pytest.approx(other["duration_seconds"] * SPEED, rel=0.05)
