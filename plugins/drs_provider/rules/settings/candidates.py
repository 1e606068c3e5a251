"""One server with its wanted settings, what they refer to in EC2 and IAM, and what may be found about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drs_provider.rules.answers import Answer
from drs_provider.rules.findings import Severity
from drs_provider.rules.servers import hostname_of
from drs_provider.rules.settings.values import Settings, live_settings, normal


@dataclass(frozen=True)
class SettingsFinding:
    """One thing found about the settings of one server; the same shape as ``rules.launch.readiness.Finding``.

    ``rule`` is the setting that it is about, or ``unknown`` for a server that DRS does not know.
    """

    severity: Severity
    server_id: str
    hostname: str
    what: str
    next_step: str
    rule: str
    kind: str = ""
    detail: str = ""

    def __str__(self) -> str:
        return f"{_name(self.hostname, self.server_id)}: {self.what}; {self.next_step}"


def _name(hostname: str, server_id: str) -> str:
    return f"{hostname} ({server_id})" if hostname != server_id else server_id


@dataclass(frozen=True)
class Candidate:
    """One server whose settings are compared: what is wanted, and what AWS says of it now.

    ``source``: the item of DescribeSourceServers, None where DRS does not know the server. ``configuration``: the
    answer of GetLaunchConfiguration. ``template``: the data of the launch template's default version, None where
    there is no such template. ``instances``: ids of its own recovery instances, which a launch terminates first.
    """

    server_id: str
    wanted: Settings
    source: Answer | None = None
    configuration: Answer = field(default_factory=dict)
    template: Answer | None = None
    instances: frozenset[str] = frozenset()

    @property
    def hostname(self) -> str:
        """What a person calls the server."""
        return hostname_of(self.source, self.server_id)

    @property
    def name(self) -> str:
        """The server as messages name it: hostname and id, or the id alone where there is no other name."""
        return _name(self.hostname, self.server_id)

    @property
    def result(self) -> dict[str, Any]:
        """The settings that the server has once what is wanted is applied."""
        return {**live_settings(self.configuration, self.template or {}), **normal(self.wanted)}

    def refusal(self, what: str, next_step: str, rule: str) -> SettingsFinding:
        """Word what keeps the settings from being applied."""
        return SettingsFinding("refusal", self.server_id, self.hostname, what, next_step, rule)

    def warning(self, what: str, next_step: str, rule: str) -> SettingsFinding:
        """Word what is worth knowing."""
        return SettingsFinding("warning", self.server_id, self.hostname, what, next_step, rule)


@dataclass(frozen=True)
class Lookups:
    """What has to be asked of EC2 and IAM before settings can be checked; every value once.

    ``existing``: ids of network interfaces that launch templates attach.
    """

    subnet_ids: tuple[str, ...]
    group_ids: tuple[str, ...]
    instance_types: tuple[str, ...]
    profiles: tuple[str, ...]
    addresses: tuple[str, ...]
    default_vpc: bool
    existing: tuple[str, ...] = ()


@dataclass(frozen=True)
class AccountAnswers:
    """What EC2 and IAM answered, as botocore parses it, by id or name; what does not exist is absent.

    ``zones``: zones in which an instance type is offered. ``profiles``: whether a profile exists, None where the role
    may not look. ``interfaces``: network interfaces that hold one of the addresses asked for. ``existing``: those that
    were asked for by id.
    """

    subnets: Mapping[str, Answer] = field(default_factory=dict)
    groups: Mapping[str, Answer] = field(default_factory=dict)
    zones: Mapping[str, frozenset[str]] = field(default_factory=dict)
    profiles: Mapping[str, bool | None] = field(default_factory=dict)
    interfaces: Sequence[Answer] = ()
    default_vpc: str | None = None
    existing: Mapping[str, Answer] = field(default_factory=dict)
