"""CreateLaunchTemplateVersion as EC2 does it: on top of its source, and once per client token.

moto forgets the source, and makes another version for every repetition of a request.
"""

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from moto.core.exceptions import ServiceException
from moto.ec2.exceptions import EC2ClientError

from drs_simulator import cloud
from drs_simulator.calls import AwsCall
from drs_simulator.extension import Forward
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
