"""What launch settings servers have, shall have, and had before a drill; and what speaks against the change."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from drs_provider.rules.answers import Answer
from drs_provider.rules.settings.candidates import AccountAnswers, Candidate, SettingsFinding
from drs_provider.rules.settings.checks import lookups, validate
from drs_provider.rules.settings.drill_memory import CONTINUES, RUN, TAG, BeforeDrill, read_tag
from drs_provider.rules.settings.launch_template import TEMPLATE_FIELDS, read_template
from drs_provider.rules.settings.values import Change, Settings, compare, configuration_update, normal
from drs_provider.services.settings.launch_actions import ActionChanges, check_actions, survey_actions
from drs_provider.services.settings.template_settlement import Settlement, Versions, settle_template

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook, TemplateVersion


@dataclass(frozen=True)
class ServerSettings:
    """One server before anything is done.

    ``candidate`` holds its settings as they are, or, where a drill's are to be put back first, as they will be then.
    ``base``: the template version to build on; with ``base_is_new`` its data is still to be made a version.
    ``default``: number of the default version that was read. ``changes``: what is to be changed after that.
    ``before``: what a drill left; ``put_back`` what of its DRS settings has to go back, ``default_goes_back`` whether
    the template does, and ``restored`` both as changes. ``undecided``: why nobody can say what of the template is the
    drill's.
    """

    candidate: Candidate
    base: "TemplateVersion | None" = None
    changes: tuple[Change, ...] = ()
    before: BeforeDrill | None = None
    put_back: tuple[Change, ...] = ()
    default_goes_back: bool = False
    restored: tuple[Change, ...] = ()
    base_is_new: bool = False
    default: int | None = None
    undecided: str = ""

    @property
    def server_id(self) -> str:
        """The source server's id."""
        return self.candidate.server_id

    @property
    def arn(self) -> str:
        """The source server's ARN."""
        return str((self.candidate.source or {})["arn"])

    @property
    def why_undecided(self) -> str:
        """Say what nobody can say of the launch template."""
        template = self.candidate.configuration.get("ec2LaunchTemplateID")
        return f"a drill changed its launch template {template}, and {self.undecided}"

    @property
    def undecided_finding(self) -> SettingsFinding | None:
        """What speaks against a launch with a template of which nobody can say what is a drill's; None: nothing."""
        if not self.undecided:
            return None
        step = f"set the template manually, then take the tag {TAG} off the source server"
        return self.candidate.refusal(self.why_undecided, step, "template")


@dataclass(frozen=True)
class SettingsSurvey:
    """What was found: every server, everything that speaks against its settings, and what is around.

    ``actions``: the servers whose DRS launch actions differ, or have to be put back.
    """

    servers: tuple[ServerSettings, ...]
    findings: tuple[SettingsFinding, ...]
    around: AccountAnswers = field(default_factory=AccountAnswers)
    actions: tuple[ActionChanges, ...] = ()

    @property
    def refusals(self) -> tuple[SettingsFinding, ...]:
        """The findings that keep the settings from being applied."""
        return tuple(finding for finding in self.findings if finding.severity == "refusal")


def survey(hook: "LaunchSettingsHook", settings: Mapping[str, Settings], *, keep_drill: bool = False) -> SettingsSurvey:
    """Read and check settings and launch actions; change nothing.

    :param settings: effective settings by server id; a server without any is looked at only for what a drill left
    :param keep_drill: build on what a drill left (another drill does) rather than to put it back first
    """
    found = survey_settings(hook, settings, keep_drill=keep_drill)
    sources = {
        server.server_id: server.candidate.source for server in found.servers if server.candidate.source is not None
    }
    return replace(found, actions=survey_actions(hook, settings, sources, is_temporary=keep_drill))


def changed_by(hook: "LaunchSettingsHook", runs: Collection[str]) -> list[str]:
    """Return the servers of an account and Region whose tags say that the drill of one of these runs changed them.

    :param runs: keys of runs (``rules.launch.tags.run_key``)
    """
    return [
        str(source["sourceServerID"])
        for source in hook.source_servers()
        if {(source.get("tags") or {}).get(name) for name in (RUN, CONTINUES)}.intersection(runs)
    ]


def survey_settings(
    hook: "LaunchSettingsHook",
    settings: Mapping[str, Settings],
    *,
    keep_drill: bool = False,
    whole: bool = False,
    sources: Sequence[Answer] | None = None,
    instances: Sequence[Answer] | None = None,
) -> SettingsSurvey:
    """Read and check settings, as :func:`survey` does; what differs in launch actions is not asked.

    :param whole: read and check servers without any settings too, and look around for what their templates say
    :param sources: items of DescribeSourceServers where they were read already; those of other servers are passed over
    :param instances: items of DescribeRecoveryInstances of all these servers, where they were read already
    """
    described = hook.source_servers(tuple(settings)) if sources is None else sources
    known = {name: source for source in described if (name := str(source["sourceServerID"])) in settings}
    before = {server: read_tag(source.get("tags")) for server, source in known.items()}
    read = [
        server_id
        for server_id in settings
        if server_id in known and (whole or normal(settings[server_id]) or before[server_id])
    ]
    configurations = hook.launch_configurations(read)
    templates = {server_id: str(configurations[server_id].get("ec2LaunchTemplateID") or "") for server_id in read}
    versions = hook.template_versions(_versions_to_read(templates, before))
    servers = []
    for server, wanted in settings.items():
        candidate = Candidate(server, wanted, known.get(server))
        if server in configurations:
            candidate = replace(candidate, configuration=configurations[server])
            found = {number: versions.get((templates[server], number)) for number in _numbers(before[server])}
            servers.append(_compared(candidate, found, before[server], keep_drill=keep_drill))
        else:
            servers.append(ServerSettings(candidate))
    servers = _with_instances(hook, servers, instances)
    candidates = [server.candidate for server in servers]
    checked = [candidate for candidate in candidates if whole or candidate.source is None or normal(candidate.wanted)]
    around = hook.surroundings(lookups(checked, whole=whole))
    undecided = [finding for server in servers if (finding := server.undecided_finding)]
    findings = (*undecided, *validate(checked, around), *check_actions(hook, settings, known))
    return SettingsSurvey(tuple(servers), findings, around)


def _versions_to_read(
    templates: Mapping[str, str], before: Mapping[str, BeforeDrill | None]
) -> list[tuple[str, int | None]]:
    return [(name, number) for server, name in templates.items() if name for number in _numbers(before[server])]


def _numbers(before: BeforeDrill | None) -> tuple[int | None, ...]:
    return (None, *(before.version if before and before.version else ()))


def _compared(
    candidate: Candidate, versions: Versions, before: BeforeDrill | None, *, keep_drill: bool
) -> ServerSettings:
    now, configuration = versions[None], candidate.configuration
    settled = settle_template(versions, before)
    if keep_drill and not _is_built_anew(candidate, now, settled):
        settled = Settlement(now, undecided=settled.undecided)
    elif keep_drill and before:
        # What others have made since is what is to be put back after this drill.
        before = replace(before, version=None)
    changed = before.values_to_put_back(configuration) if before and not keep_drill else ()
    configuration = {**configuration, **configuration_update(changed)}
    base = settled.base
    data = None if base is None else base.data
    goes_back = base is not None and now is not None and (settled.is_new or base.number != now.number)
    templates = _template_changes(now.data, base.data) if now and base and goes_back else ()
    candidate = replace(candidate, configuration=configuration, template=data)
    return ServerSettings(
        candidate,
        base,
        compare(candidate.wanted, configuration, data or {}),
        before,
        changed,
        goes_back,
        (*changed, *templates),
        base_is_new=settled.is_new,
        default=now.number if now else None,
        undecided=settled.undecided,
    )


def _is_built_anew(candidate: Candidate, now: "TemplateVersion | None", settled: Settlement) -> bool:
    """Tell whether a drill builds on what others have made of an earlier drill's version, and not on that itself."""
    if now is None or settled.base is None or not settled.is_new:
        return False
    wanted = compare(candidate.wanted, candidate.configuration, now.data)
    return any(change.field in TEMPLATE_FIELDS for change in wanted)


def _template_changes(now: Answer, then: Answer) -> tuple[Change, ...]:
    live, old = read_template(now), read_template(then)
    return tuple(Change(field, live[field], old[field]) for field in live if live[field] != old[field])


def _with_instances(
    hook: "LaunchSettingsHook", servers: Sequence[ServerSettings], instances: Sequence[Answer] | None
) -> list[ServerSettings]:
    """Add the servers' own recovery instances where an address is at stake: a launch frees theirs."""
    owners = [
        server.server_id for server in servers if server.candidate.template and server.candidate.result["private_ip"]
    ]
    own: dict[str, set[str]] = {server: set() for server in owners}
    if instances is None:
        instances = hook.recovery_instances(source_server_ids=owners) if owners else ()
    for instance in instances:
        own.setdefault(instance["sourceServerID"], set()).add(str(instance.get("ec2InstanceID")))
    return [
        replace(server, candidate=replace(server.candidate, instances=frozenset(own.get(server.server_id, ()))))
        for server in servers
    ]
