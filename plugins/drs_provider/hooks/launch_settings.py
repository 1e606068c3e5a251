"""The door to launch settings: DRS launch configurations, EC2 launch templates, and what they refer to."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from drs_provider.exceptions import AccessDenied, AwsError, ServiceUnavailable
from drs_provider.hooks.drs import SIDE_BY_SIDE, DrsHook, in_batches, side_by_side
from drs_provider.hooks.error_mapping import translated
from drs_provider.rules.answers import Answer
from drs_provider.rules.servers import is_live
from drs_provider.rules.settings.candidates import AccountAnswers, Lookups
from drs_provider.rules.settings.launch_template import NewVersion

OURS: Final = "drs-orchestrator: "
"""How the description of every launch template version begins that is made here."""

OF_DRILLS: Final = f"{OURS}drill "
"""How it goes on where a drill made the version: those are deleted once the drill is over."""

_NO_TEMPLATE: Final = frozenset(
    {"InvalidLaunchTemplateId.NotFound", "InvalidLaunchTemplateId.VersionNotFound", "InvalidLaunchTemplateId.Malformed"}
)

_MOST_VERSIONS: Final = 200
"""Versions that a page of DescribeLaunchTemplateVersions holds at most (EC2's API reference, MaxResults)."""

VersionKey = tuple[str, int | None]
"""A launch template's id, and the number of a version; None: its default version."""


@dataclass(frozen=True)
class TemplateVersion:
    """One version of a launch template; ``data`` as EC2 describes it. ``made_at`` None: EC2 does not say when."""

    template_id: str
    number: int
    data: Answer = field(default_factory=dict)
    description: str = ""
    made_at: datetime | None = None


class LaunchSettingsHook(DrsHook):
    """A :class:`DrsHook` that also reads and changes launch settings. All reads may be repeated; so may the writes."""

    def template_versions(self, wanted: Iterable[VersionKey]) -> dict[VersionKey, TemplateVersion | None]:
        """Return versions of launch templates by (template id, number); None as number: the default version.

        The value is a :class:`TemplateVersion`, or None where there is no such template or version. Where many
        defaults are wanted, those of all the account's templates are read page by page; else one call a template.
        """
        keys = tuple(dict.fromkeys(wanted))
        numbers: dict[str, list[int | None]] = {}
        for template_id, number in keys:
            numbers.setdefault(template_id, []).append(number)
        plain = [template_id for template_id, asked in numbers.items() if asked == [None]]
        found: dict[VersionKey, TemplateVersion | None] = {}
        if len(plain) > SIDE_BY_SIDE:
            found |= {(version.template_id, None): version for version in self._defaults_of_all(plain)}
        self._beside("ec2")
        left = [(template_id, asked) for template_id, asked in numbers.items() if (template_id, asked[0]) not in found]
        for some in side_by_side(lambda asked: self._versions_of(*asked), left):
            found |= some
        return {key: found[key] for key in keys}

    def _defaults_of_all(self, wanted: Sequence[str]) -> Iterator[TemplateVersion]:
        """Read the defaults of all templates, for as few pages as are still quicker than to ask for each by name."""
        left = set(wanted)
        paginator = self._beside("ec2").get_paginator("describe_launch_template_versions")
        pages = paginator.paginate(Versions=["$Default"], PaginationConfig={"PageSize": _MOST_VERSIONS})
        with translated("ec2:DescribeLaunchTemplateVersions"):
            for count, page in enumerate(pages, start=1):
                read = [_version(item) for item in page["LaunchTemplateVersions"]]
                yield from (version for version in read if version.template_id in left)
                left -= {version.template_id for version in read}
                if not left or count >= len(wanted) // SIDE_BY_SIDE:
                    return

    def template_version(self, template_id: str, number: int | None = None) -> TemplateVersion | None:
        """Return one version of a launch template, the default one unless a number is given; None: there is none."""
        return self._versions_of(template_id, (number,))[template_id, number]

    def _versions_of(self, template_id: str, numbers: Sequence[int | None]) -> dict[VersionKey, TemplateVersion | None]:
        """Return versions of one template: in one call, or, where EC2 refuses it for one that is gone, in one each."""
        asked = ["$Default" if number is None else str(number) for number in numbers]
        try:
            with translated("ec2:DescribeLaunchTemplateVersions"):
                answer = self._beside("ec2").describe_launch_template_versions(
                    LaunchTemplateId=template_id, Versions=asked
                )
        except AwsError as error:
            if error.code not in _NO_TEMPLATE:
                raise
            if len(numbers) == 1:
                return {(template_id, numbers[0]): None}
            return {(template_id, number): self.template_version(template_id, number) for number in numbers}
        items = answer["LaunchTemplateVersions"]
        found: dict[int | None, TemplateVersion] = {int(item["VersionNumber"]): _version(item) for item in items}
        default = [item for item in items if item.get("DefaultVersion") or len(numbers) == 1]
        if None in numbers and default:
            found[None] = _version(default[0])
        return {(template_id, number): found.get(number) for number in numbers}

    def default_versions(self, template_ids: Sequence[str]) -> dict[str, int]:
        """Return the number of the default version of these launch templates.

        One that does not exist makes EC2 refuse the whole question: then all that were asked for with it are absent.
        """
        found: dict[str, int] = {}
        for batch in in_batches(tuple(dict.fromkeys(template_ids))):
            try:
                with translated("ec2:DescribeLaunchTemplates"):
                    pages = self._beside("ec2").get_paginator("describe_launch_templates")
                    for page in pages.paginate(LaunchTemplateIds=batch):
                        found |= {
                            template["LaunchTemplateId"]: template["DefaultVersionNumber"]
                            for template in page["LaunchTemplates"]
                        }
            except AwsError as error:
                if error.code not in _NO_TEMPLATE:
                    raise
        return found

    def described_version(self, template_id: str, description: str) -> TemplateVersion | None:
        """Return the newest version of a launch template that has this description; None: there is none."""
        pages = self._beside("ec2").get_paginator("describe_launch_template_versions")
        with translated("ec2:DescribeLaunchTemplateVersions"):
            found = [
                _version(item)
                for page in pages.paginate(LaunchTemplateId=template_id)
                for item in page["LaunchTemplateVersions"]
                if item.get("VersionDescription") == description
            ]
        return max(found, key=lambda version: version.number, default=None)

    def create_version(self, source: TemplateVersion, new: NewVersion, description: str) -> int:
        """Create a version on top of another one; no launch uses it before it is the default. Return its number."""
        on = {} if new.is_whole else {"SourceVersion": str(source.number)}
        with translated("ec2:CreateLaunchTemplateVersion"):
            answer = self._beside("ec2").create_launch_template_version(
                LaunchTemplateId=source.template_id,
                LaunchTemplateData=dict(new.data),
                VersionDescription=description,
                **on,
            )
        return int(answer["LaunchTemplateVersion"]["VersionNumber"])

    def make_default(self, template_id: str, number: int) -> None:
        """Make a version the one that DRS launches with; ServiceUnavailable where EC2's answer says otherwise."""
        with translated("ec2:ModifyLaunchTemplate"):
            answer = self._beside("ec2").modify_launch_template(
                LaunchTemplateId=template_id, DefaultVersion=str(number)
            )
        said = answer["LaunchTemplate"].get("DefaultVersionNumber")
        if said != number:
            message = f"version {number} of {template_id} was made the default, but EC2 still shows version {said}"
            raise ServiceUnavailable("ec2:ModifyLaunchTemplate", "NotApplied", message)

    def update_configuration(self, server_id: str, update: Answer) -> Answer:
        """Change members of a server's launch configuration; return all of it."""
        with translated("UpdateLaunchConfiguration"):
            answer: Answer = self.conn.update_launch_configuration(sourceServerID=server_id, **update)
        return answer

    def tag(self, arn: str, key: str, value: str, **more: str) -> None:
        """Set one tag of a DRS resource, or some more of them with it; an error names the resource."""
        with _of(arn), translated("TagResource"):
            self.conn.tag_resource(resourceArn=arn, tags={key: value, **more})

    def untag(self, arn: str, *keys: str) -> None:
        """Take tags off a DRS resource; those that it has not are passed over."""
        with _of(arn), translated("UntagResource"):
            self.conn.untag_resource(resourceArn=arn, tagKeys=list(keys))

    def drill_versions(self, template_id: str) -> tuple[Answer, ...]:
        """Return the versions of a launch template that drills made and that are not the default one."""
        pages = self._beside("ec2").get_paginator("describe_launch_template_versions")
        with translated("ec2:DescribeLaunchTemplateVersions"):
            return tuple(
                item
                for page in pages.paginate(LaunchTemplateId=template_id)
                for item in page["LaunchTemplateVersions"]
                if str(item.get("VersionDescription", "")).startswith(OF_DRILLS) and not item.get("DefaultVersion")
            )

    def forget_versions(self, template_id: str, numbers: Sequence[int]) -> None:
        """Delete versions of a launch template; the default one cannot be deleted. Those that are gone are fine."""
        for batch in in_batches([str(number) for number in numbers]):
            with translated("ec2:DeleteLaunchTemplateVersions"):
                answer = self._beside("ec2").delete_launch_template_versions(
                    LaunchTemplateId=template_id, Versions=batch
                )
            for failure in answer.get("UnsuccessfullyDeletedLaunchTemplateVersions", ()):
                error = failure["ResponseError"]
                if error["Code"] != "launchTemplateVersionDoesNotExist":
                    raise AwsError("ec2:DeleteLaunchTemplateVersions", error["Code"], error["Message"])

    def surroundings(self, wanted: Lookups) -> AccountAnswers:
        """Ask EC2 and IAM for what settings refer to; ids that do not exist are absent from the answer."""
        types = self._filtered("describe_instance_type_offerings", "instance-type", wanted.instance_types)
        return AccountAnswers(
            subnets={
                subnet["SubnetId"]: subnet
                for subnet in self._filtered("describe_subnets", "subnet-id", wanted.subnet_ids)
            },
            groups={
                group["GroupId"]: group
                for group in self._filtered("describe_security_groups", "group-id", wanted.group_ids)
            },
            zones={
                name: frozenset(offering["Location"] for offering in types if offering["InstanceType"] == name)
                for name in wanted.instance_types
            },
            profiles={name: self._has_profile(name) for name in wanted.profiles},
            interfaces=tuple(
                self._filtered("describe_network_interfaces", "addresses.private-ip-address", wanted.addresses)
            ),
            default_vpc=self._default_vpc() if wanted.default_vpc else None,
            existing={
                interface["NetworkInterfaceId"]: interface
                for interface in self._filtered("describe_network_interfaces", "network-interface-id", wanted.existing)
            },
        )

    def ec2_instances(self, instance_ids: Sequence[str]) -> dict[str, Answer]:
        """Return these instances as EC2 describes them; gone ones are absent, or terminated for a while."""
        reservations = self._filtered("describe_instances", "instance-id", instance_ids)
        return {
            instance["InstanceId"]: instance for reservation in reservations for instance in reservation["Instances"]
        }

    def protect(self, instance_ids: Sequence[str]) -> dict[str, AwsError | None]:
        """Switch EC2 termination protection on; return by instance what AWS refused, None where it is on."""
        ec2 = self._beside("ec2")

        def switch_on(instance_id: str) -> AwsError | None:
            try:
                with translated("ec2:ModifyInstanceAttribute"):
                    ec2.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": True})
            except AwsError as error:
                return error
            return None

        return dict(zip(instance_ids, side_by_side(switch_on, instance_ids), strict=True))

    def _filtered(self, operation: str, name: str, values: Sequence[str]) -> list[Answer]:
        """Return all items with one of these values. A filter passes unknown ones over; an id list would refuse."""
        found: list[Answer] = []
        more = {"LocationType": "availability-zone"} if operation.endswith("offerings") else {}
        pages = self._beside("ec2").get_paginator(operation)
        with translated("ec2:" + "".join(part.capitalize() for part in operation.split("_"))):
            for batch in in_batches(values):
                for page in pages.paginate(Filters=[{"Name": name, "Values": batch}], **more):
                    found += page[pages.result_keys[0].expression]
        return found

    def _default_vpc(self) -> str | None:
        return next((vpc["VpcId"] for vpc in self._filtered("describe_vpcs", "is-default", ("true",))), None)

    def _has_profile(self, name: str) -> bool | None:
        try:
            with translated("iam:GetInstanceProfile"):
                self._beside("iam").get_instance_profile(InstanceProfileName=name)
        except AccessDenied:
            return None
        except AwsError as error:
            if error.code in ("NoSuchEntity", "NoSuchEntityException"):
                return False
            raise
        return True


@contextmanager
def _of(arn: str) -> Iterator[None]:
    """Say in an error which server it is about: many are asked side by side."""
    try:
        yield
    except AwsError as error:
        message = f"{arn.rpartition('/')[2]}: {error.message}"
        retry_after = error.retry_after_seconds
        raise type(error)(error.operation, error.code, message, retry_after_seconds=retry_after) from error


def _version(item: Answer) -> TemplateVersion:
    return TemplateVersion(
        item["LaunchTemplateId"],
        int(item["VersionNumber"]),
        item.get("LaunchTemplateData") or {},
        item.get("VersionDescription") or "",
        item.get("CreateTime"),
    )


def freed_subnets(hook: LaunchSettingsHook, servers: Collection[str], instances: Sequence[Answer]) -> dict[str, str]:
    """Return by server id the subnet of its live recovery instance: a launch terminates that one first.

    :param instances: items of DescribeRecoveryInstances
    """
    own = {
        str(instance["ec2InstanceID"]): str(instance["sourceServerID"])
        for instance in instances
        if is_live(instance) and instance.get("ec2InstanceID") and instance["sourceServerID"] in servers
    }
    found = hook.ec2_instances(tuple(own)) if own else {}
    return {own[name]: str(instance["SubnetId"]) for name, instance in found.items() if instance.get("SubnetId")}
