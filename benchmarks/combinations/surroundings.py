"""How the cloud is when a run begins, or becomes while it runs: everything that somebody else does there."""

from typing import Any

from drs_simulator.client import SimulatorHandle

from benchmarks.combinations.scenario import FAILING, HELD, NETWORK, SUBNETS, Place, Scenario

FOREIGN_TYPE = "m6a.xlarge"
"""The instance type that another tool writes into a launch template."""


class PlaceOfSimulator(SimulatorHandle):
    """The simulator as somebody sees it who works in one account and Region."""

    def __init__(self, url: str, place: Place) -> None:
        super().__init__(url, place.region)
        self._account = place.account

    def client(self, service: str, **more: Any) -> Any:
        """Return a client of this account and Region."""
        return super().client(service, **({"aws_access_key_id": self._account} | more))


def prepare(scenario: Scenario, simulator: SimulatorHandle) -> str | None:  # noqa: C901, PLR0912 - one case for each state
    """Bring the cloud into the scenario's state; return the id of the drill network that stands ready, if one does."""
    first = PlaceOfSimulator(simulator.url, scenario.places[0])
    drs = first.client("drs")
    match scenario.row["cloud"]:
        case "live_instance" | "foreign_drill" as what:
            drs.start_recovery(isDrill=what == "foreign_drill", sourceServers=[{"sourceServerID": HELD}])
            simulator.advance("30m")
        case "launch_into":
            _launch_into(first)
        case "second_interface":
            _second_interface(first, {"SubnetId": _subnets(first)[1]})
        case "interface_of_production":
            made = first.client("ec2").create_network_interface(SubnetId=_subnets(first)[1])
            _second_interface(first, {"NetworkInterfaceId": made["NetworkInterface"]["NetworkInterfaceId"]})
        case "native_plan":
            _native_plan(drs)
        case "fails_once" | "fails_always" as what:
            once = {"count": 1} if what == "fails_once" else {}
            simulator.fault({"service": "drs", "servers": [FAILING], "do": "fail_at", "event": "LAUNCH_START", **once})
        case "stalled_source":
            simulator.fault({"service": "drs", "servers": [HELD], "do": "stall"})
            simulator.advance("30m")
        case "lost_answer":
            simulator.fault(
                {"service": "drs", "operation": "StartRecovery", "do": "commit_then_drop", "count": 1},
                {"service": "drs", "operation": "TerminateRecoveryInstances", "do": "commit_then_drop", "count": 1},
                {"service": "ec2", "operation": "ModifyLaunchTemplate", "do": "commit_then_drop", "count": 1},
            )
        case "throttled":
            simulator.fault({"do": "throttle", "probability": 0.1})
        case "no_start":  # longer than a wave is patient, and for one that has stopped by itself once
            simulator.fault(
                {"servers": [FAILING], "do": "no_capacity", "operation": "StartInstances", "count": 14},
                {"servers": [HELD], "do": "stops_by_itself", "count": 1},
            )
        case "silent_account":
            simulator.fault({"account": scenario.places[-1].account, "do": "outage"})
    if scenario.row["network"] == "standing":
        ec2 = first.client("ec2")
        vpc = ec2.create_vpc(CidrBlock=NETWORK)["Vpc"]["VpcId"]
        for subnet in SUBNETS.values():
            ec2.create_subnet(VpcId=vpc, CidrBlock=subnet)
        return str(vpc)
    return None


def change_template(place: PlaceOfSimulator) -> None:
    """Change a server's launch template as AWS's own samples do: a new default version on top of the default one."""
    _new_default(place, {"InstanceType": FOREIGN_TYPE})


def _template(place: PlaceOfSimulator) -> tuple[str, dict[str, Any]]:
    template = place.client("drs").get_launch_configuration(sourceServerID=HELD)["ec2LaunchTemplateID"]
    found = place.client("ec2").describe_launch_template_versions(LaunchTemplateId=template, Versions=["$Default"])
    return template, found["LaunchTemplateVersions"][0]["LaunchTemplateData"]


def _new_default(place: PlaceOfSimulator, data: dict[str, Any]) -> None:
    template, before = _template(place)
    ec2 = place.client("ec2")
    made = ec2.create_launch_template_version(LaunchTemplateId=template, LaunchTemplateData={**before, **data})
    number = made["LaunchTemplateVersion"]["VersionNumber"]
    ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion=str(number))


def _second_interface(place: PlaceOfSimulator, interface: dict[str, Any]) -> None:
    first = _template(place)[1]["NetworkInterfaces"][0]
    _new_default(place, {"NetworkInterfaces": [first, {"DeviceIndex": 1, **interface}]})


def _subnets(place: PlaceOfSimulator) -> list[str]:
    found = place.client("ec2").describe_subnets()["Subnets"]
    return [subnet["SubnetId"] for subnet in sorted(found, key=_range) if _range(subnet) in SUBNETS.values()]


def _range(subnet: dict[str, Any]) -> str:
    return str(subnet["CidrBlock"])


def _launch_into(place: PlaceOfSimulator) -> None:
    ec2 = place.client("ec2")
    tags = [{"Key": "AWSDRS", "Value": "AllowLaunchingIntoThisInstance"}]
    made = ec2.run_instances(
        ImageId="ami-12345678",
        MinCount=1,
        MaxCount=1,
        SubnetId=_subnets(place)[0],
        InstanceType="m5.large",
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )
    instance = made["Instances"][0]["InstanceId"]
    ec2.stop_instances(InstanceIds=[instance])
    place.client("drs").update_launch_configuration(
        sourceServerID=HELD,
        copyTags=False,
        copyPrivateIp=False,
        launchIntoInstanceProperties={"launchIntoEC2InstanceID": instance},
    )


def _native_plan(drs: Any) -> None:
    plan = drs.create_recovery_plan(name="gold")["recoveryPlan"]["recoveryPlanArn"]
    arn = drs.describe_source_servers(filters={"sourceServerIDs": [HELD]})["items"][0]["arn"]
    steps = (
        {"waitStepConfiguration": {"waitDurationMinutes": 120}},
        {"serverStepConfiguration": {"servers": [{"serverArn": arn, "impactLevel": "CRITICAL"}]}},
    )
    for number, configuration in enumerate(steps, 1):
        drs.create_recovery_plan_step(
            recoveryPlanArn=plan, stepName=f"step{number}", stepOrder=number, configuration=configuration
        )
    drs.start_recovery_plan_execution(recoveryPlanArn=plan, mode="DRILL")
