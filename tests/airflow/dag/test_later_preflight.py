"""A drill whose preflight let it begin, and whose record of that is gone, or says no since somebody cleared it."""

import pytest
from drs_provider.dag import hand_over
from drs_provider.rules.launch.tags import job_tags, run_key
from kit.dag_runs import SHOP, calls, instances
from kit.edited_runs import before, run_edited
from kit.signatures import signed

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

PLACE = ("xcom", "preflight.check", "preflight")
KEEPS_ITS_ADDRESS = SHOP.replace(
    "select: {tags: {Tier: web}}", "select: {tags: {Tier: web}}\nlaunch: {copy_private_ip: true}"
).replace("drill: {network: shared}", "drill: {network: isolated}")


def forget(places):
    """Somebody deletes the XCom."""
    places.drop(PLACE)


def refuse(places):
    """Somebody clears preflight, and a server has stalled since."""
    known = {name: value for name, value in places.get(PLACE).items() if name != "signature"}
    places.put(PLACE, signed({**known, "passed": False}, "drs.shop", "ours", "preflight.check", key="preflight"))


def see_fewer_servers(places):
    """Somebody clears preflight, and groups have lost servers since: it passes, with one server of each wave."""
    known = {name: value for name, value in places.get(PLACE).items() if name != "signature"}
    for wave in known["waves"].values():
        for target in wave["targets"]:
            target["servers"] = target["servers"][:1]
    places.put(PLACE, signed(known, "drs.shop", "ours", "preflight.check", key="preflight"))
    places.driver.dag_run = places.driver.dag_run.model_copy(update={"clear_number": 1})


def everything(simulator):
    """Launch settings, marks at servers and networks, as they are now."""
    drs, ec2 = simulator.client("drs"), simulator.client("ec2")
    servers = drs.describe_source_servers(filters={})["items"]
    configurations = [drs.get_launch_configuration(sourceServerID=each["sourceServerID"]) for each in servers]
    templates = [each["ec2LaunchTemplateID"] for each in configurations]
    defaults = [
        ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=["$Default"])
        for template in templates
    ]
    return (
        [each["copyPrivateIp"] for each in configurations],
        [each["LaunchTemplateVersions"][0]["LaunchTemplateData"] for each in defaults],
        [tag for each in servers for tag in each["tags"] if tag.startswith("drs-orchestrator")],
        len(ec2.describe_vpcs()["Vpcs"]),
    )


@pytest.mark.parametrize("change", [forget, refuse])
def test_what_the_drill_has_changed_until_then_is_put_back_and_looked_for(
    plans, simulator, tmp_path, monkeypatch, change
):
    monkeypatch.setattr(hand_over, "is_dag_paused", lambda _: True)  # the wave has not begun when it changes
    known = everything(simulator)
    ended = run_edited(
        simulator,
        plans,
        tmp_path / "reports",
        KEEPS_ITS_ADDRESS,
        {"mode": "drill"},
        edit=before("web.start_recovery", change),
    )

    assert len(calls(simulator, "StartRecovery")) == 1
    assert len(calls(simulator, "UpdateLaunchConfiguration")) >= 2
    assert everything(simulator) == known
    assert set(instances(simulator).values()) <= {"terminated"}
    assert (ended.verdict, ended.states["finish.look_over"]) == ("failed", "success")


def test_a_run_that_went_on_with_another_ends_its_own_drill_also_when_preflight_refuses_since(
    plans, simulator, tmp_path
):
    drs, ec2 = simulator.client("drs", region_name="us-west-2"), simulator.client("ec2")
    database, web = ([{"sourceServerID": f"s-{number:017d}"} for number in those] for those in ((1, 2, 3), (11, 12)))
    vpcs = len(ec2.describe_vpcs()["Vpcs"])
    tags = job_tags(dag_id="drs.shop", run_id="scheduled__old", wave="web", chunk=0, attempt=1)
    drs.start_recovery(isDrill=True, sourceServers=web, tags=tags)
    simulator.advance("20m")
    others = set(instances(simulator))

    run_edited(
        simulator,
        plans,
        tmp_path / "reports",
        KEEPS_ITS_ADDRESS,
        {"mode": "drill", "continue_run": run_key("drs.shop", "scheduled__old")},
        edit=before("web.start_recovery", refuse),
    )

    started = [call["request"]["sourceServers"] for call in calls(simulator, "StartRecovery")]
    states = instances(simulator)
    assert started == [web, database]
    assert {name: states[name] for name in others} == dict.fromkeys(others, "running")
    assert {state for name, state in states.items() if name not in others} == {"terminated"}
    assert len(ec2.describe_vpcs()["Vpcs"]) == vpcs


def test_what_a_preflight_that_sees_fewer_servers_leaves_out_is_put_back_too(plans, simulator, tmp_path):
    known = everything(simulator)
    edit = before("finish.clean_up", see_fewer_servers)

    ended = run_edited(simulator, plans, tmp_path / "reports", KEEPS_ITS_ADDRESS, {"mode": "drill"}, edit=edit)

    assert everything(simulator) == known
    assert ended.states["finish.look_over"] == "success"
