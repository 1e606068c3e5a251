"""Launch template versions as EC2 has them: begun with a copy of their source, one per client token, listed at once.

moto forgets the source, makes another version for every repetition of a request, and lists one template at a time.
"""

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from moto.core.exceptions import ServiceException
from moto.ec2.exceptions import EC2ClientError

from drs_simulator import cloud
from drs_simulator.calls import AwsCall
from drs_simulator.extension import Forward
from drs_simulator.overlays.answering import Asked, Refused, answers, paged
from drs_simulator.wire import Reply

if TYPE_CHECKING:
    from drs_simulator.simulator import Simulator


def install(simulator: "Simulator") -> None:
    """Fill a new version up with what its source says and the request does not; answer a repetition as before."""
    answered: dict[tuple[str, str, str], Reply] = {}

    def create_version(call: AwsCall, forward: Forward) -> Reply:
        token = (call.account, call.region, str(call.request.get("ClientToken") or ""))
        if token[2] and token in answered:
            return answered[token]
        reply = forward()
        source = call.request.get("SourceVersion")
        if source and reply.status < HTTPStatus.BAD_REQUEST:
            with simulator.world.lock:
                _complete(call, str(source))
        if token[2] and reply.status < HTTPStatus.BAD_REQUEST:
            answered[token] = reply
        return reply

    simulator.overlays.on("ec2", "CreateLaunchTemplateVersion", create_version)
    answers(simulator, "ec2", {"DescribeLaunchTemplateVersions": describe_versions})


def _complete(call: AwsCall, source: str) -> None:
    backend = cloud.ec2(call.account, call.region)
    name = call.request.get("LaunchTemplateName")
    try:
        template: Any = (
            backend.get_launch_template_by_name(name)
            if name
            else backend.get_launch_template(call.request.get("LaunchTemplateId"))
        )
        copied = template.get_version(source).data
    except (EC2ClientError, ServiceException):
        return
    newest = template.latest_version()
    given = {key for key in newest.data if key in call.request.get("LaunchTemplateData", {})}
    for key, value in copied.items():
        if key not in given:
            newest.data[key] = value
    newest.instance_tags = {**template.get_version(source).instance_tags, **newest.instance_tags}


def describe_versions(asked: Asked) -> dict[str, Any] | Reply:
    """List the default or the latest versions of all launch templates where no template is named, as EC2 does."""
    request = asked.request
    wanted = request.get("Versions") or []
    if request.get("LaunchTemplateId") or request.get("LaunchTemplateName") or set(wanted) - {"$Default", "$Latest"}:
        return asked.forward()
    if not wanted:
        raise Refused(
            "MissingParameter", "A launch template ID, a launch template name or $Default or $Latest must be given"
        )
    account, region = asked.key
    templates = cloud.ec2(account, region).launch_templates.values()
    versions = {
        (template.id, version.number): (template, version)
        for template in templates
        for name in wanted
        for version in [template.get_version(name)]
    }
    shown = [
        {
            "LaunchTemplateId": template.id,
            "LaunchTemplateName": template.name,
            "VersionNumber": version.number,
            "VersionDescription": version.description,
            "CreateTime": version.create_time,
            "CreatedBy": f"arn:aws:iam::{account}:root",
            "DefaultVersion": template.is_default(version),
            "LaunchTemplateData": version.data,
        }
        for template, version in versions.values()
    ]
    return paged(request, shown, "LaunchTemplateVersions", most=200)
