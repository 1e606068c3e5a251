"""Reading what a rehearsal needs to know of a live account, through clients that cannot change anything."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from airflow.sdk.exceptions import AirflowException

from drs_provider.exceptions import DrsProviderError, RunRefused
from drs_provider.hooks.drs import in_batches
from drs_provider.hooks.error_mapping import translated
from drs_provider.hooks.launch_settings import LaunchSettingsHook
from drs_provider.rehearsal.account_fleet import AccountFacts, first_interface, groups_of, profile_of
from drs_provider.rules.answers import Answer

UNREADABLE = (DrsProviderError, AirflowException)
"""Errors of an account that cannot be read: what AWS said, and connections that are not there or lead nowhere."""

READS = ("Describe", "Get", "List")
"""How the names of operations begin that change nothing."""


class ReadOnlyHook(LaunchSettingsHook):
    """A hook whose clients refuse, before anything is sent, every operation that does not only read."""

    def _client_of(self, service: str) -> Any:
        """Return a client that only reads: all of a hook's clients are made here."""
        with translated(f"connection {self.aws_conn_id}"):  # it may lead nowhere
            return _reading(super()._client_of(service))

    def read(
        self,
        wanted: Callable[[Answer], bool],
        *,
        subnet_ids: Iterable[str],
        group_ids: Iterable[str],
        vpc_ids: Iterable[str],
        profiles: Iterable[str],
        since: datetime,
    ) -> AccountFacts:
        """Ask for the servers that are wanted, and for all that they and the plan refer to.

        :param since: running jobs are looked for from then on
        """
        servers = {str(server["sourceServerID"]): server for server in self.source_servers() if wanted(server)}
        ids = list(servers)
        configurations = self.launch_configurations(ids)
        template_of = {name: str(found.get("ec2LaunchTemplateID") or "") for name, found in configurations.items()}
        versions = self.template_versions((template, None) for template in template_of.values() if template)
        data = {
            name: dict(version.data)
            for name, template in template_of.items()
            if template and (version := versions[template, None]) is not None
        }
        interfaces = [first_interface(template) for template in data.values()]
        subnets = self._by_id(
            "describe_subnets",
            "subnet-id",
            {*subnet_ids, *(interface["SubnetId"] for interface in interfaces if "SubnetId" in interface)},
        )
        named = {group for template in data.values() for group in groups_of(template)}
        groups = self._by_id("describe_security_groups", "group-id", {*group_ids, *named})
        used = {part["VpcId"] for part in (*subnets.values(), *groups.values())}
        named_profiles = {name for template in data.values() if (name := profile_of(template))}
        return AccountFacts(
            account=self.caller_account(),
            region=self.region,
            quotas=self.quotas(),
            servers=servers,
            configurations=configurations,
            templates=data,
            instances=self.recovery_instances(source_server_ids=ids) if ids else (),
            vpcs=self._by_id("describe_vpcs", "vpc-id", {*vpc_ids, *used}),
            subnets=subnets,
            groups=groups,
            profiles=tuple(
                name for name in sorted({*profiles, *named_profiles}) if self._has_profile(name) is not False
            ),
            has_default_vpc=self._default_vpc() is not None,
            busy={
                str(server["sourceServerID"]): str(job["jobID"])
                for job in self.jobs_since(since)
                if job["status"] != "COMPLETED"
                for server in job.get("participatingServers", ())
            },
        )

    def _by_id(self, operation: str, name: str, ids: Iterable[str]) -> dict[str, Answer]:
        key = {"subnet-id": "SubnetId", "group-id": "GroupId", "vpc-id": "VpcId"}[name]
        found: dict[str, Answer] = {}
        pages = self._beside("ec2").get_paginator(operation)
        with translated("ec2:" + "".join(part.capitalize() for part in operation.split("_"))):
            for batch in in_batches(sorted(ids)):
                for page in pages.paginate(Filters=[{"Name": name, "Values": batch}]):
                    found |= {part[key]: part for part in page[pages.result_keys[0].expression]}
        return found


def _reading(client: Any) -> Any:
    client.meta.events.register("before-call", _refuse_effects, unique_id="drs-rehearsal-reads-only")
    return client


def _refuse_effects(model: Any, **_: Any) -> None:
    if not model.name.startswith(READS):
        raise RunRefused(f"a rehearsal only reads from the live account, and {model.name} would change something")
