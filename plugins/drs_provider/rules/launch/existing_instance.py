"""Whether DRS would launch a server into an EC2 instance that is there already, instead of making a new one."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from drs_provider.rules.answers import Answer
from drs_provider.rules.findings import Finding
from drs_provider.rules.purpose import Purpose
from drs_provider.rules.servers import hostname_of

ALLOWING_TAG: Final = ("AWSDRS", "AllowLaunchingIntoThisInstance")
"""The EC2 tag without which DRS does not launch into an instance."""

_ID: Final = "launchIntoEC2InstanceID"


@dataclass(frozen=True)
class ExistingInstance:
    """The instance that a launch would take over; ``instance_id`` is empty where DRS alone knows which.

    ``by``: what says so: the server's own launch settings, or the account's default ``launchIntoSourceInstance``.
    """

    instance_id: str
    by: Literal["server", "account"]

    @property
    def name(self) -> str:
        """The instance as messages name it."""
        if self.by == "server":
            return f"the existing instance {self.instance_id}"
        return f"its source instance {self.instance_id}" if self.instance_id else "its source instance"

    @property
    def words(self) -> str:
        """What would happen, and what says so."""
        said = (
            f"its launch settings say so, {_ID}"
            if self.by == "server"
            else "the account's launch configuration template says so, launchIntoSourceInstance"
        )
        return f"DRS would launch it into {self.name} instead of a new one ({said})"

    @property
    def remedy(self) -> str:
        """How to have a new instance launched."""
        if self.by == "server":
            return "clear 'launch into instance' in the server's launch settings in DRS"
        return "switch launchIntoSourceInstance off in the account's default launch settings in DRS"


def launched_into(configuration: Answer) -> str | None:
    """Return the id of the instance that a server's launch configuration names; None: a new one is launched."""
    found: str | None = (configuration.get("launchIntoInstanceProperties") or {}).get(_ID)
    return found or None


def into_source_by_default(templates: Iterable[Answer]) -> bool:
    """Tell whether the account launches into source instances wherever it can.

    :param templates: items of DescribeLaunchConfigurationTemplates
    """
    return any(template.get("launchIntoSourceInstance") is True for template in templates)


def existing_instance(
    source: Answer | None, configuration: Answer, *, default: bool, region: str
) -> ExistingInstance | None:
    """Say into which existing instance DRS would launch a server; None: it makes a new one.

    The account's default holds for a launch "to the previous Region or Availability Zone": for a server that comes
    from the Region that it is launched in, or fails back to it. Where DRS does not tell where a server of EC2 comes
    from, it is taken to hold.

    :param source: the item of DescribeSourceServers
    :param configuration: the answer of GetLaunchConfiguration
    :param default: see :func:`into_source_by_default`
    :param region: the Region that is launched in
    """
    if named := launched_into(configuration):
        return ExistingInstance(named, "server")
    if not default or source is None:
        return None
    if source.get("replicationDirection") == "FAILBACK":
        return ExistingInstance("", "account")
    hints = (source.get("sourceProperties") or {}).get("identificationHints") or {}
    instance_id = str(hints.get("awsInstanceID") or "")
    origin = (source.get("sourceCloudProperties") or {}).get("originRegion")
    if origin == region or (instance_id and not origin):
        return ExistingInstance(instance_id, "account")
    return None


def existing_findings(
    server_id: str, source: Answer | None, found: ExistingInstance, instance: Answer | None, purpose: Purpose
) -> Iterator[Finding]:
    """Refuse it in a drill, whose clean-up would have to remove that instance; warn a recovery of it.

    :param instance: the instance as EC2 describes it; None: EC2 does not know it
    """
    hostname = hostname_of(source, server_id)
    if purpose.is_temporary:
        who = purpose.title.lower() if purpose.launches else purpose.section
        step = f"a {who} launches new instances only: {found.remedy}, or leave the server out"
        yield Finding("refusal", server_id, hostname, found.words, step, "existing_instance")
        return
    step = "see that nobody needs what is on it: DRS replaces its disks"
    yield Finding("warning", server_id, hostname, found.words, step, "existing_instance")
    for what, remedy in _refused_by_drs(found, instance):
        yield Finding("warning", server_id, hostname, what, remedy, "existing_instance")


def _refused_by_drs(found: ExistingInstance, instance: Answer | None) -> Iterator[tuple[str, str]]:
    if not found.instance_id:
        return
    if instance is None or instance["State"]["Name"] == "terminated":
        yield (
            f"{found.name} does not exist in this account and Region, so its launch will fail",
            found.remedy,
        )
        return
    state, (key, value) = instance["State"]["Name"], ALLOWING_TAG
    if state != "stopped":
        yield f"{found.name} is {state}, and DRS launches into a stopped one only", "stop it before its wave"
    if tags_of(instance).get(key) != value:
        yield (
            f"{found.name} lacks the tag {key}={value}, without which DRS refuses to launch into it",
            f"tag it, or {found.remedy}",
        )


def tags_of(instance: Answer) -> Mapping[str, str]:
    """Return the tags of an instance as EC2 describes it."""
    return {str(tag["Key"]): str(tag["Value"]) for tag in instance.get("Tags") or ()}
