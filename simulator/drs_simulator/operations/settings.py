"""Launch and replication settings of servers, their templates, launch actions, and tags."""

from typing import Any

from drs_simulator.errors import Conflict, Invalid, NotFound, QuotaExceeded
from drs_simulator.operations.recovery import check_tags
from drs_simulator.operations.registry import Answer, Context, Request, operation, page
from drs_simulator.quotas import LAUNCH_ACTIONS_PER_RESOURCE, LAUNCH_CONFIGURATION_TEMPLATES
from drs_simulator.world import moto_ec2
from drs_simulator.world.construction import LAUNCH_DEFAULTS, PIT_POLICY, arn_of
from drs_simulator.world.origins import ensure_origins


@operation("GetLaunchConfiguration")
def get_launch_configuration(context: Context, request: Request) -> Answer:
    """Return a server's launch configuration."""
    server = context.server(request["sourceServerID"])
    return {"sourceServerID": server.id, **server.launch}


@operation("UpdateLaunchConfiguration")
def update_launch_configuration(context: Context, request: Request) -> Answer:
    """Change a server's launch configuration."""
    server = context.server(request["sourceServerID"])
    changed = server.launch | {
        key: value for key, value in request.items() if key != "sourceServerID" and value is not None
    }
    if (changed.get("launchIntoInstanceProperties") or {}).get("launchIntoEC2InstanceID"):
        _ensure_launch_into_is_possible(context, changed)
    elif "launchIntoInstanceProperties" in changed:
        del changed["launchIntoInstanceProperties"]
    server.launch = changed
    return {"sourceServerID": server.id, **server.launch}


def _ensure_launch_into_is_possible(context: Context, launch: dict[str, Any]) -> None:
    if launch.get("copyTags") or launch.get("copyPrivateIp"):
        raise Invalid(
            "copyTags and copyPrivateIp must be off to launch into an existing instance",
            [("launchIntoInstanceProperties", "copyTags is on")],
        )
    instance_id = launch["launchIntoInstanceProperties"]["launchIntoEC2InstanceID"]
    ensure_origins(context.world, *context.region.key)
    instance = moto_ec2.find(context.region.account, context.region.name, instance_id)
    if instance is None:
        raise NotFound(f"Instance {instance_id} does not exist", instance_id, "Instance")
    tags = {tag["key"]: tag["value"] for tag in instance.get_tags()}
    if tags.get("AWSDRS") != "AllowLaunchingIntoThisInstance":
        raise Invalid(
            f"Instance {instance_id} is not tagged AWSDRS=AllowLaunchingIntoThisInstance",
            [("launchIntoInstanceProperties", "no tag")],
        )


@operation("GetReplicationConfiguration")
def get_replication_configuration(context: Context, request: Request) -> Answer:
    """Return a server's replication configuration."""
    server = context.server(request["sourceServerID"])
    return {"sourceServerID": server.id, **server.replication_settings}


@operation("UpdateReplicationConfiguration")
def update_replication_configuration(context: Context, request: Request) -> Answer:
    """Change a server's replication configuration."""
    server = context.server(request["sourceServerID"])
    days = _retention_days(request.get("pitPolicy"))
    if days is not None:
        server.replication.retention_days = days
    server.replication_settings |= {
        key: value for key, value in request.items() if key != "sourceServerID" and value is not None
    }
    return {"sourceServerID": server.id, **server.replication_settings}


def _retention_days(policy: list[dict[str, Any]] | None) -> int | None:
    """Return for how many days daily points are kept; everything else about the three rules is fixed."""
    if policy is None:
        return None
    fixed = [(rule["units"], rule["interval"]) for rule in PIT_POLICY]
    if [(rule["units"], rule["interval"]) for rule in policy] != fixed or [
        rule["retentionDuration"] for rule in policy[:2]
    ] != [60, 24]:
        raise Invalid(
            "the policy has three rules, of which only the days of the last can be changed",
            [("pitPolicy", "fixed rules")],
        )
    return int(policy[2]["retentionDuration"])


# -- templates ------------------------------------------------------------------------------------------------------


@operation("CreateLaunchConfigurationTemplate")
def create_launch_configuration_template(context: Context, request: Request) -> Answer:
    """Create the one template that new servers begin with."""
    templates = context.region.launch_templates
    if len(templates) >= LAUNCH_CONFIGURATION_TEMPLATES:
        raise QuotaExceeded("an account has one launch configuration template", "L-E28BE5E0")
    check_tags(request.get("tags"))
    name = context.world.fresh_id("lct-")
    defaults = {key: value for key, value in LAUNCH_DEFAULTS.items() if key != "name"}
    made = {
        "launchConfigurationTemplateID": name,
        "arn": arn_of(context.region, "launch-configuration-template", name),
        "tags": {},
    }
    templates[name] = made | defaults | {"launchIntoSourceInstance": False} | request
    return {"launchConfigurationTemplate": templates[name]}


@operation("UpdateLaunchConfigurationTemplate")
def update_launch_configuration_template(context: Context, request: Request) -> Answer:
    """Change the template."""
    template = _template(
        context.region.launch_templates, request["launchConfigurationTemplateID"], "LaunchConfigurationTemplate"
    )
    template |= request
    return {"launchConfigurationTemplate": template}


@operation("DescribeLaunchConfigurationTemplates")
def describe_launch_configuration_templates(context: Context, request: Request) -> Answer:
    """List the templates."""
    return _templates(
        context,
        request,
        context.region.launch_templates,
        request.get("launchConfigurationTemplateIDs"),
        "LaunchConfigurationTemplate",
    )


@operation("DeleteLaunchConfigurationTemplate")
def delete_launch_configuration_template(context: Context, request: Request) -> Answer:
    """Delete the template."""
    _template(context.region.launch_templates, request["launchConfigurationTemplateID"], "LaunchConfigurationTemplate")
    del context.region.launch_templates[request["launchConfigurationTemplateID"]]
    return {}


@operation("CreateReplicationConfigurationTemplate")
def create_replication_configuration_template(context: Context, request: Request) -> Answer:
    """Create a template for the replication of new servers."""
    check_tags(request.get("tags"))
    _retention_days(request["pitPolicy"])
    name = context.world.fresh_id("rct-")
    made = {
        "replicationConfigurationTemplateID": name,
        "arn": arn_of(context.region, "replication-configuration-template", name),
        "tags": {},
    }
    context.region.replication_templates[name] = made | request
    return context.region.replication_templates[name]


@operation("UpdateReplicationConfigurationTemplate")
def update_replication_configuration_template(context: Context, request: Request) -> Answer:
    """Change a template."""
    template = _template(
        context.region.replication_templates,
        request["replicationConfigurationTemplateID"],
        "ReplicationConfigurationTemplate",
    )
    _retention_days(request.get("pitPolicy"))
    template |= {key: value for key, value in request.items() if key != "arn"}
    return template


@operation("DescribeReplicationConfigurationTemplates")
def describe_replication_configuration_templates(context: Context, request: Request) -> Answer:
    """List the templates."""
    wanted = request.get("replicationConfigurationTemplateIDs")
    return _templates(
        context, request, context.region.replication_templates, wanted, "ReplicationConfigurationTemplate"
    )


@operation("DeleteReplicationConfigurationTemplate")
def delete_replication_configuration_template(context: Context, request: Request) -> Answer:
    """Delete a template."""
    _template(
        context.region.replication_templates,
        request["replicationConfigurationTemplateID"],
        "ReplicationConfigurationTemplate",
    )
    del context.region.replication_templates[request["replicationConfigurationTemplateID"]]
    return {}


def _template(templates: dict[str, dict[str, object]], name: str, kind: str) -> dict[str, object]:
    if name not in templates:
        raise NotFound(f"{kind} {name} does not exist", name, kind)
    return templates[name]


def _templates(
    context: Context, request: Request, templates: dict[str, dict[str, object]], wanted: list[str] | None, kind: str
) -> Answer:
    shown = [_template(templates, name, kind) for name in wanted] if wanted else list(templates.values())
    return page(context, request, shown, lambda template: template)


# -- launch actions -------------------------------------------------------------------------------------------------


def _actions_of(context: Context, resource_id: str) -> dict[str, dict[str, Any]]:
    if resource_id.startswith("lct-"):
        _template(context.region.launch_templates, resource_id, "LaunchConfigurationTemplate")
        return context.region.template_actions.setdefault(resource_id, {})
    return context.server(resource_id).actions


@operation("PutLaunchAction")
def put_launch_action(context: Context, request: Request) -> Answer:
    """Add or replace a launch action of a server or of the template."""
    actions = _actions_of(context, request["resourceId"])
    name = request["actionId"]
    if name not in actions and len(actions) >= LAUNCH_ACTIONS_PER_RESOURCE:
        raise QuotaExceeded(f"a resource has at most {LAUNCH_ACTIONS_PER_RESOURCE} launch actions", "L-0588D03B")
    if any(other["order"] == request["order"] for key, other in actions.items() if key != name):
        raise Conflict(f"another launch action of {request['resourceId']} has the order {request['order']}")
    # AWS derives the type from the SSM document; the simulator has no documents of its own.
    kind = (
        "SSM_COMMAND"
        if "Command" in request["actionCode"] or request["actionCode"].startswith("AWS-Run")
        else "SSM_AUTOMATION"
    )
    made = {key: value for key, value in request.items() if key != "resourceId"} | {"type": kind}
    actions[name] = {"parameters": {}, **made}
    return {"resourceId": request["resourceId"], **actions[name]}


@operation("ListLaunchActions")
def list_launch_actions(context: Context, request: Request) -> Answer:
    """List launch actions in their order."""
    wanted = (request.get("filters") or {}).get("actionIds")
    actions = sorted(_actions_of(context, request["resourceId"]).values(), key=lambda action: action["order"])
    shown = [action for action in actions if not wanted or action["actionId"] in wanted]
    return page(context, request, shown, lambda action: action)


@operation("DeleteLaunchAction")
def delete_launch_action(context: Context, request: Request) -> Answer:
    """Delete a launch action."""
    actions = _actions_of(context, request["resourceId"])
    if request["actionId"] not in actions:
        raise NotFound(f"Launch action {request['actionId']} does not exist", request["actionId"], "LaunchAction")
    del actions[request["actionId"]]
    return {}


# -- tags -----------------------------------------------------------------------------------------------------------


def _tags_of(context: Context, resource_arn: str) -> dict[str, str]:
    """Return the tags of whatever an ARN names, to be read or changed. Raises NotFound."""
    parts = resource_arn.split(":", 5)
    region = context.region
    if parts[2:5] == ["drs", region.name, region.account]:
        kind, _, name = parts[5].partition("/")
        things: dict[str, Any] = {
            "source-server": region.servers,
            "job": region.jobs,
            "recovery-instance": region.instances,
            "source-network": region.networks,
        }
        if name in things.get(kind, {}):
            return things[kind][name].tags
        templates = {
            "launch-configuration-template": region.launch_templates,
            "replication-configuration-template": region.replication_templates,
        }
        if name in templates.get(kind, {}):
            return templates[kind][name]["tags"]
        for owner in (region.plans, region.executions):
            if resource_arn in owner:
                return owner[resource_arn].tags
    raise NotFound(f"{resource_arn} does not exist", resource_arn, "Resource")


@operation("ListTagsForResource")
def list_tags_for_resource(context: Context, request: Request) -> Answer:
    """Return the tags of a resource."""
    return {"tags": dict(_tags_of(context, request["resourceArn"]))}


@operation("TagResource")
def tag_resource(context: Context, request: Request) -> Answer:
    """Add tags to a resource, or change them."""
    tags = _tags_of(context, request["resourceArn"])
    check_tags(tags | request["tags"])
    tags.update(request["tags"])
    return {}


@operation("UntagResource")
def untag_resource(context: Context, request: Request) -> Answer:
    """Take tags off a resource; keys that it has not are passed over."""
    tags = _tags_of(context, request["resourceArn"])
    for key in request["tagKeys"]:
        tags.pop(key, None)
    return {}
