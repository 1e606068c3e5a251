"""Whole runs of plans against the simulator, and what they left."""

import json
import threading
import time

from drs_provider.rules.run.handover import FailureMessage

SHOP = """\
kind: ProtectionGroup
name: db
region: us-west-2
servers:
  - s-00000000000000001
  - s-00000000000000002
  - {id: s-00000000000000003, critical: false}
---
kind: ProtectionGroup
name: web
region: us-west-2
select: {tags: {Tier: web}}
---
kind: RecoveryPlan
name: shop
rto: 45m
rpo: 5m
drill: {network: shared}
waves:
  - {name: database, groups: [db]}
  - {name: web, groups: [web]}
"""


class Run:
    """A run that has ended, and what it left."""

    def __init__(self, dag_run, reports):
        self.dag_run = dag_run
        self.state = str(dag_run.state)
        self.tasks = {}
        for instance in dag_run.get_task_instances():
            name = (
                instance.task_id
                if instance.map_index < 0
                else f"{instance.task_id}[{instance.rendered_map_index or instance.map_index}]"
            )
            self.tasks[name] = str(instance.state)
        (report,) = reports.rglob("report.json")
        self.report = json.loads(report.read_text())

    @property
    def servers(self):
        return {s["hostname"]: s["status"] for wave in self.report["waves"] for s in wave["servers"]}

    def said(self, task_id):
        task = next(ti for ti in self.dag_run.get_task_instances() if ti.task_id == task_id)
        error = FailureMessage.read(task.xcom_pull(task_id, key=FailureMessage.KEY))
        return error and error.message


def calls(simulator, operation):
    return [call for call in simulator.calls() if call["operation"] == operation]


def instances(simulator, region="us-west-2", **client):
    pages = simulator.client("ec2", region_name=region, **client).get_paginator("describe_instances").paginate()
    found = [
        instance for page in pages for reservation in page["Reservations"] for instance in reservation["Instances"]
    ]
    recovered = [
        instance
        for instance in found
        if any(tag["Key"] == "AWSElasticDisasterRecoverySourceServerID" for tag in instance.get("Tags", ()))
    ]
    return {instance["InstanceId"]: instance["State"]["Name"] for instance in recovered}


def meanwhile(simulator, act):
    """Act once the first job of a run has been started."""

    def wait():
        while not calls(simulator, "StartRecovery"):
            time.sleep(0.02)
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def things_in(ec2):
    """Everything of networks in a Region, by id."""
    return {
        "vpcs": sorted(vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"]),
        "subnets": sorted(subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]),
        "groups": sorted(group["GroupId"] for group in ec2.describe_security_groups()["SecurityGroups"]),
        "tables": sorted(table["RouteTableId"] for table in ec2.describe_route_tables()["RouteTables"]),
        "acls": sorted(acl["NetworkAclId"] for acl in ec2.describe_network_acls()["NetworkAcls"]),
        "interfaces": sorted(
            interface["NetworkInterfaceId"] for interface in ec2.describe_network_interfaces()["NetworkInterfaces"]
        ),
    }
