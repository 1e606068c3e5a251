"""Which servers may be launched stopped ahead of their wave, and why the others are launched in it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from drs_provider.formatting import plural, some
from drs_provider.rules.answers import Answer
from drs_provider.rules.purpose import Purpose
from drs_provider.rules.settings.values import Settings


@dataclass(frozen=True)
class AheadCandidate:
    """A server of a wave that is to be launched ahead, with what may speak against it.

    :param settings: its effective launch settings by the plan's names
    :param runs_actions: whether DRS will run launch actions on its instance; None: nobody may look
    :param into_instance: what people call the existing instance that DRS launches it into; None: into a new one
    :param live_instance: a live recovered instance that its launch terminates; None: there is none
    :param is_known: whether its launch settings in DRS could be looked at
    """

    server_id: str
    hostname: str
    settings: Settings = field(default_factory=dict)
    runs_actions: bool | None = False
    into_instance: str | None = None
    live_instance: str | None = None
    is_known: bool = True

    @property
    def is_started(self) -> bool:
        """Whether its wave starts it; one that the plan wants stopped stays so, whenever it was launched."""
        return self.settings.get("disposition") != "stopped"


def why_in_its_wave(server: AheadCandidate, purpose: Purpose) -> str | None:  # noqa: PLR0911 - one line per reason
    """Say why a server is launched in its wave's turn, although the plan launches ahead; None: it is launched ahead."""
    if purpose.quiesces:
        return "a migration launches when everything that was written has arrived"
    if server.settings.get("disposition") == "started":
        return "its settings say disposition: started"
    if not server.is_known:
        return "its launch settings in DRS cannot be looked at"
    if server.into_instance is not None:
        return f"DRS launches it into {server.into_instance}, and starts that"
    if server.live_instance is not None:
        return f"its launch terminates {server.live_instance}, which lives until then"
    if server.runs_actions is None:
        return "whether it has DRS launch actions, which need a running instance, cannot be looked up"
    if server.runs_actions:
        return "its DRS launch actions need a running instance"
    return None


def settings_ahead(settings: Settings) -> dict[str, Any]:
    """Return the settings by which a server is launched ahead: the plan's, and stopped."""
    return {**settings, "disposition": "stopped"}


def settings_in_turn(settings: Settings) -> dict[str, Any]:
    """Return the settings by which a server of a plan that launches ahead is launched in its turn all the same.

    It is started, unless the plan wants it stopped: an earlier run that broke off may have left it stopped in DRS.
    """
    return {"disposition": "started", **settings}


def is_left_stopped(configuration: Answer) -> bool:
    """Tell whether DRS leaves an instance stopped when it launches it, as its launch configuration is now."""
    return configuration.get("launchDisposition") == "STOPPED"


def ahead_notes(where: str, waves: Mapping[str, Iterable[AheadCandidate]], purpose: Purpose) -> tuple[str, ...]:
    """Say for the log of preflight who is launched ahead, and who is not for which reason.

    :param where: account and Region as the run's messages name them
    :param waves: the servers there of every wave that is to be launched ahead
    """
    notes = []
    for wave, members in waves.items():
        servers = tuple(members)
        reasons: dict[str, list[str]] = {}
        for server in servers:
            if why := why_in_its_wave(server, purpose):
                reasons.setdefault(why, []).append(server.hostname)
        held = sum(map(len, reasons.values()))
        if len(servers) > held:
            notes.append(f"wave {wave} in {where}: {plural(len(servers) - held, 'server')} launched ahead, stopped")
        notes += [
            f"wave {wave} in {where}: launched in its turn, not ahead: {some(names)}: {why}"
            for why, names in reasons.items()
        ]
    return tuple(notes)
