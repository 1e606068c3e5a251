"""Versions of launch templates as EC2 has them: copied from their source, one per client token, listed, deleted.

moto forgets the source, makes another version for every repetition of a request, lists one template at a time, deletes
none, and gives numbers twice.
"""

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from moto.core.exceptions import ServiceException
from moto.ec2.exceptions import EC2ClientError, InvalidLaunchTemplateVersionNotFound
from moto.ec2.models.launch_templates import LaunchTemplate, LaunchTemplateVersion

from drs_simulator.backend.overlay_registry import Forward
from drs_simulator.neighbours.answers import Asked, Refused, answers, paged
from drs_simulator.protocol.call_log import AwsCall
from drs_simulator.protocol.wire import Reply
from drs_simulator.world import moto_ec2

if TYPE_CHECKING:
    from drs_simulator.backend.simulator import Simulator


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
    handlers = {"DescribeLaunchTemplateVersions": describe_versions, "DeleteLaunchTemplateVersions": delete_versions}
    answers(simulator, "ec2", handlers)


class ThinnedTemplate(LaunchTemplate):
    """A launch template of which versions were deleted: moto finds versions by their place, here it is the number."""

    last_number: int = 0

    def create_version(self, data: dict[str, object], description: str) -> LaunchTemplateVersion:
        """Number a new version after the highest that ever was."""
        self.last_number += 1
        version = LaunchTemplateVersion(self, self.last_number, data, description)
        self.versions.append(version)
        return version

    def get_version(self, num: Any) -> LaunchTemplateVersion:
        """Find a version by number, ``$Latest`` or ``$Default``."""
        words = {"$latest": self.versions[-1].number, "$default": self.default_version_number}
        wanted = words.get(str(num).lower(), num)
        for version in self.versions:
            if str(version.number) == str(wanted):
                return version
        raise InvalidLaunchTemplateVersionNotFound(template_id=self.id, version=num)

    def default_version(self) -> LaunchTemplateVersion:
        """Return the default version, which cannot be deleted."""
        return self.get_version(self.default_version_number)


def delete_versions(asked: Asked) -> dict[str, Any]:
    """Delete versions but never the default one; each that is not deleted says why (codes from EC2's enum)."""
    backend, request = moto_ec2.ec2(*asked.key), asked.request
    try:
        name = request.get("LaunchTemplateName")
        template: Any = (
            backend.get_launch_template_by_name(name)
            if name
            else backend.get_launch_template(request["LaunchTemplateId"])
        )
    except (EC2ClientError, ServiceException) as error:
        raise Refused("InvalidLaunchTemplateId.NotFound", str(error)) from error
    if not isinstance(template, ThinnedTemplate):
        template.last_number = template.latest_version_number
        template.__class__ = ThinnedTemplate
    done, refused = [], []
    for wanted in request["Versions"]:
        entry = {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name, "VersionNumber": int(wanted)}
        found = next((version for version in template.versions if version.number == int(wanted)), None)
        if found is None:
            why = ("launchTemplateVersionDoesNotExist", f"version {wanted} does not exist")
        elif template.is_default(found):
            why = ("unexpectedError", f"version {wanted} is the default version")
        else:
            template.versions.remove(found)
            done.append(entry)
            continue
        refused.append({**entry, "ResponseError": dict(zip(("Code", "Message"), why, strict=True))})
    return {
        "SuccessfullyDeletedLaunchTemplateVersions": done,
        "UnsuccessfullyDeletedLaunchTemplateVersions": refused,
    }


def _complete(call: AwsCall, source: str) -> None:
    backend = moto_ec2.ec2(call.account, call.region)
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


def describe_versions(asked: Asked) -> dict[str, object] | Reply:
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
    templates = moto_ec2.ec2(account, region).launch_templates.values()
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
