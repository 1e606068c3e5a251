"""Bringing the DRS launch actions of servers to what is wanted, and back after a drill."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drs_provider.exceptions import DrsProviderError
from drs_provider.rules.answers import Answer
from drs_provider.rules.findings import Severity
from drs_provider.rules.run.handover import SettingsChange
from drs_provider.rules.settings.candidates import SettingsFinding
from drs_provider.rules.settings.drill_memory import MARKS
from drs_provider.rules.settings.launch_actions import TAG, Calls, calls, read_tag, stored_parameters, written
from drs_provider.rules.settings.values import Settings

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook


@dataclass(frozen=True)
class ActionChanges:
    """One server before its actions are changed, and the calls that change them."""

    server_id: str
    hostname: str
    arn: str
    calls: Calls

    def changes(self) -> tuple[SettingsChange, ...]:
        """Word the change as the other settings' changes are."""
        if self.calls.was == self.calls.now:
            return ()
        return (SettingsChange(field="actions", was=list(self.calls.was), now=list(self.calls.now)),)


def survey_actions(
    hook: "LaunchSettingsHook",
    settings: Mapping[str, Settings],
    sources: Mapping[str, Answer],
    *,
    is_temporary: bool,
) -> tuple[ActionChanges, ...]:
    """Read the actions of the servers that declare some or carry a drill's tag, and return what differs.

    :param sources: items of DescribeSourceServers, by server id
    """
    from drs_provider.hooks.launch_actions import all_launch_actions
    from drs_provider.rules.servers import hostname_of

    tags = {server: read_tag(source.get("tags")) for server, source in sources.items()}
    asked = [
        server
        for server in settings
        if server in sources and (settings[server].get("actions") is not None or tags[server] is not None)
    ]
    found = []
    for server, live in (all_launch_actions(hook, asked) if asked else {}).items():
        declared = settings[server].get("actions")
        needed = calls(server, declared, live, is_temporary=is_temporary, remembered=tags[server])
        if not needed.is_nothing:
            name = hostname_of(sources[server], server)
            found.append(ActionChanges(server, name, str(sources[server]["arn"]), needed))
    return tuple(found)


def check_actions(
    hook: "LaunchSettingsHook",
    settings: Mapping[str, Settings],
    sources: Mapping[str, Answer],
) -> tuple[SettingsFinding, ...]:
    """Look whether the SSM documents and parameters of declared actions exist; DRS itself looks only at the launch."""
    from drs_provider.hooks.launch_actions import missing_documents, missing_parameters
    from drs_provider.rules.servers import hostname_of

    declared = {
        server: values["actions"] for server, values in settings.items() if values.get("actions") and server in sources
    }
    if not declared:
        return ()
    codes = tuple(dict.fromkeys(action["code"] for actions in declared.values() for action in actions))
    names = tuple(dict.fromkeys(name for actions in declared.values() for name in stored_parameters(actions)))
    documents, parameters = missing_documents(hook, codes), missing_parameters(hook, names)
    findings = []
    for server, actions in declared.items():
        hostname = hostname_of(sources[server], server)

        def finding(severity: Severity, what: str, step: str, server: str = server, name: str = hostname) -> None:
            findings.append(SettingsFinding(severity, server, name, what, step, "actions"))

        for action in actions:
            if action["code"] in (documents or ()):
                what = f"launch action {action['name']}: there is no SSM document {action['code']} in this Region"
                finding("refusal", what, "create it, or correct actions")
            for name in stored_parameters([action]):
                if name in (parameters or ()):
                    what = f"launch action {action['name']}: there is no SSM parameter {name} in this Region"
                    finding("refusal", what, "put the value into SSM Parameter Store under this name")
        if documents is None or (names and parameters is None):
            what = "whether the documents and parameters of its launch actions exist is not known"
            finding("warning", what, "allow ssm:DescribeDocument and ssm:GetParameters to the connection's role")
    return tuple(findings)


def apply_actions(hook: "LaunchSettingsHook", server: ActionChanges, marks: Mapping[str, str] | None = None) -> None:
    """Make the changes of one server; killed anywhere, the next try looks at what is there and goes on.

    Comes after the server's other settings: what says whose they are is taken off with the last tag.

    :param marks: in a drill, which one that is, and when it is over at the latest
    """
    from drs_provider.hooks.launch_actions import delete_launch_action, put_launch_action

    needed = server.calls
    if needed.remember is not None:
        hook.tag(server.arn, TAG, written(needed.remember), **(marks or {}))
    for action_id in needed.delete:
        delete_launch_action(hook, server.server_id, action_id)
    for action in needed.put:
        put_launch_action(hook, server.server_id, action)
    if needed.forget:
        hook.untag(server.arn, TAG, *(() if marks else MARKS))


def in_all_actions(
    act: Callable[[ActionChanges], None], servers: Iterable[ActionChanges]
) -> dict[str, DrsProviderError]:
    """Act on several servers side by side; return the errors by server id."""
    from drs_provider.hooks.drs import side_by_side

    def attempt(server: ActionChanges) -> DrsProviderError | None:
        try:
            act(server)
        except DrsProviderError as error:
            return error
        return None

    chosen: Sequence[ActionChanges] = tuple(servers)
    outcomes = zip(chosen, side_by_side(attempt, chosen), strict=True)
    return {server.server_id: error for server, error in outcomes if error is not None}
