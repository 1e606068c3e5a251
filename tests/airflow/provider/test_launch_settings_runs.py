"""A drill with settings of its own as a whole DAG run against the simulator, triggers included."""

from pathlib import Path

import drs_provider.example_dags
import pytest
from airflow.dag_processing.dagbag import DagBag

# Airflow warns about itself while it runs a DAG in this process; what we do is not judged by that.
pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

FILE = Path(drs_provider.example_dags.__file__).parent / "example_drs_apply_launch_settings.py"
HELLO = ("s-0hello00000000001", "s-0hello00000000002")


def run():
    bag = DagBag(str(FILE))
    assert bag.import_errors == {}
    dag = bag.dags[FILE.stem]
    for task in dag.tasks:
        task.retries = 0  # a retry waits for minutes
    return dag.test()


def result(dag_run, task_id, **more):
    task = next(instance for instance in dag_run.get_task_instances() if instance.task_id == task_id)
    return task.xcom_pull(task_id, **more)


def live(simulator):
    drs, ec2 = simulator.client("drs"), simulator.client("ec2")
    configurations = [drs.get_launch_configuration(sourceServerID=server) for server in HELLO]
    names = [configuration["ec2LaunchTemplateID"] for configuration in configurations]
    found = [ec2.describe_launch_template_versions(LaunchTemplateId=name, Versions=["$Default"]) for name in names]
    types = [template["LaunchTemplateVersions"][0]["LaunchTemplateData"]["InstanceType"] for template in found]
    return types, [configuration["copyTags"] for configuration in configurations]


def test_a_drill_launches_with_its_own_settings_and_leaves_the_old_ones(airflow_db, simulator):
    before = live(simulator)

    dag_run = run()

    assert dag_run.state == "success"
    assert result(dag_run, "settings")["servers"] == {
        server: [
            {"field": "copy_tags", "was": True, "now": False},
            {"field": "instance_type", "was": "m5.large", "now": "t3.medium"},
        ]
        for server in HELLO
    }
    looked = result(dag_run, "look")["servers"]
    assert {
        server: (survey["is_drill"], survey["protected"], survey["differences"]) for server, survey in looked.items()
    } == {server: (True, False, []) for server in HELLO}
    assert sorted(result(dag_run, "put_back")["servers"]) == list(HELLO)
    assert live(simulator) == before


def test_a_drill_that_fails_gets_its_settings_put_back_too(airflow_db, simulator):
    before = live(simulator)
    simulator.fault({"service": "drs", "do": "fail_silently", "count": 2})

    dag_run = run()

    assert dag_run.state == "failed"
    assert live(simulator) == before
    assert result(dag_run, "put_back")["servers"].keys() == set(HELLO)


def test_settings_that_cannot_work_launch_nothing(airflow_db, simulator):
    ec2 = simulator.client("ec2")
    name = simulator.client("drs").get_launch_configuration(sourceServerID=HELLO[0])["ec2LaunchTemplateID"]
    version = ec2.create_launch_template_version(
        LaunchTemplateId=name,
        LaunchTemplateData={"NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": "subnet-00000000000000000"}]},
    )
    number = str(version["LaunchTemplateVersion"]["VersionNumber"])
    ec2.modify_launch_template(LaunchTemplateId=name, DefaultVersion=number)

    dag_run = run()

    assert dag_run.state == "failed"
    operations = {call["operation"] for call in simulator.calls()}
    assert not operations & {"StartRecovery", "UpdateLaunchConfiguration"}
    assert [finding["rule"] for finding in result(dag_run, "settings", key="findings")["findings"]] == ["subnet_id"]
