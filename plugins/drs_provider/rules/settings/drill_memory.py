"""What a drill changed in a server's launch settings, kept at the server itself until it is put back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from drs_provider.rules.settings.values import CONFIGURATION_FIELDS, Change, live_settings

TAG: Final = "drs-orchestrator:before-drill"
"""Tag of a source server. The cloud remembers: a run, a worker or a whole Airflow may die before the putting back."""

RUN: Final = "drs-orchestrator:before-drill-run"
EXPIRES: Final = "drs-orchestrator:before-drill-expires"
"""Beside it: which drill that is, and when it is over at the latest. Names of their own, for DRS may copy a source
server's tags to what it launches."""

_FLAGS: Final = {"true": True, "false": False}


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
