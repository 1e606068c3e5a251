"""What a drill changed in a server's launch settings, kept at the server itself until it is put back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from drs_provider.formatting import parse_instant
from drs_provider.rules.settings.values import CONFIGURATION_FIELDS, Change, live_settings

TAG: Final = "drs-orchestrator:before-drill"
"""Tag of a source server. The cloud remembers: a run, a worker or a whole Airflow may die before the putting back."""

RUN: Final = "drs-orchestrator:before-drill-run"
EXPIRES: Final = "drs-orchestrator:before-drill-expires"
INSTALLATION: Final = "drs-orchestrator:before-drill-installation"
CONTINUES: Final = "drs-orchestrator:before-drill-continues"
"""Beside it: which drill that is, when it is over at the latest, of which Airflow, and with which run it goes on. Names
of their own, for DRS may copy a source server's tags to what it launches."""

UNKNOWN: Final = "unknown"
"""What stands for the id of an Airflow that has none: a tag that is not written would keep what stood there."""

MARKS: Final = (RUN, EXPIRES, INSTALLATION, CONTINUES)

_FLAGS: Final = {"true": True, "false": False}


def marks_of(run: str, expires: str, installation: str, continues: str | None = None) -> dict[str, str]:
    """Return the tags that say whose temporary settings a server has.

    :param run: key of the drill
    :param expires: as its tag has it
    :param installation: id of the Airflow that the drill is of; empty: nobody knows
    :param continues: key of the run that the drill goes on with; None: with none
    """
    return {
        RUN: run,
        EXPIRES: expires,
        INSTALLATION: installation or UNKNOWN,
        CONTINUES: continues or UNKNOWN,
    }


@dataclass(frozen=True)
class Owner:
    """Whose drill a server's temporary settings are: the run's key, the Airflow's id, and until when; for people."""

    run: str
    installation: str
    until: datetime

    def __str__(self) -> str:
        return (
            f"a drill of another Airflow (installation {self.installation}, key {self.run}) has them until "
            f"{self.until:%Y-%m-%d %H:%M} UTC at the latest"
        )


def rival_of(tags: Mapping[str, str] | None, *, own: str, own_runs: Sequence[str], now: datetime) -> Owner | None:
    """Return the drill of another Airflow whose settings a server has now; None: nothing says that there is one.

    :param own: id of the Airflow that asks; empty: it is not known
    :param own_runs: key of the run that asks, then of one that it continues: a drill that continued the same one before
        is no rival, for a person has said so; to the run that was continued it is one
    """
    said = tags or {}
    if said.get(CONTINUES, UNKNOWN) in {*own_runs[1:]} - {UNKNOWN}:
        return None
    run, installation, until = said.get(RUN, ""), said.get(INSTALLATION, UNKNOWN), _instant(said.get(EXPIRES))
    if own in ("", UNKNOWN) or installation in (UNKNOWN, own) or run in own_runs or until is None or until <= now:
        return None
    return Owner(run, installation, until)


def _instant(text: str | None) -> datetime | None:
    try:
        return parse_instant(text) if text else None
    except ValueError:
        return None


@dataclass(frozen=True)
class BeforeDrill:
    """Pairs of what a setting was and what the drill made of it.

    ``version``: the launch template's default version. ``values``: settings of the DRS launch configuration.
    """

    version: tuple[int, int] | None = None
    values: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)

    def with_changes(self, changes: tuple[Change, ...], version: tuple[int, int] | None) -> "BeforeDrill":
        """Add what is about to be changed; what is remembered already was there first, and stays what it was."""
        values = dict(self.values)
        for change in changes:
            if change.field in CONFIGURATION_FIELDS and change.now is not None:
                values[change.field] = (values.get(change.field, (change.now,))[0], change.wanted)
        both = (self.version or version, version or self.version)
        return BeforeDrill((both[0][0], both[1][1]) if both[0] and both[1] else None, values)

    def written(self) -> str:
        """Return the tag's value, in characters that every tag may have; at most 256 of them by construction."""
        parts = {"version": self.version} if self.version else {}
        pairs: Mapping[str, tuple[Any, Any]] = {**parts, **self.values}
        return " ".join(f"{name}={_text(was)}/{_text(now)}" for name, (was, now) in pairs.items())

    def values_to_put_back(self, configuration: Mapping[str, Any]) -> tuple[Change, ...]:
        """Return the settings that still are what the drill made of them; what somebody has changed since is theirs."""
        live = live_settings(configuration, {})
        return tuple(
            Change(name, live[name], was)
            for name, (was, now) in self.values.items()
            if live[name] == now and was != now
        )


def read_tag(tags: Mapping[str, str] | None) -> BeforeDrill | None:
    """Read what a drill left at a source server; None where there is nothing, or nothing that can be read."""
    text = (tags or {}).get(TAG)
    if text is None:
        return None
    version: tuple[int, int] | None = None
    values: dict[str, tuple[Any, Any]] = {}
    for part in text.split():
        name, _, pair = part.partition("=")
        was, _, now = pair.partition("/")
        if name == "version" and was.isdecimal() and now.isdecimal():
            version = (int(was), int(now))
        elif name in CONFIGURATION_FIELDS and was and now:
            values[name] = (_FLAGS.get(was, was), _FLAGS.get(now, now))
    return BeforeDrill(version, values)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
