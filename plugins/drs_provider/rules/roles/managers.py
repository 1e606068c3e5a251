"""Recovery managers: who they are by the configuration, and whether a person may start a run, or roll one back.

Only preflight and the tasks of a roll back decide by it, so it holds by whatever way a run was started. Names are
compared exactly: a right is not given to whoever has a similar name.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from drs_provider.formatting import MANY, joined, some
from drs_provider.people import COMMAND_LINE, is_said_by_anybody
from drs_provider.rules.purpose import Purpose

SETTING: Final = "[drs] recovery_managers"

_ROLE: Final = "role:"


class ManagersUnreadable(ValueError):
    """The setting says nothing that can be read, so nobody is a recovery manager until it is mended."""


@dataclass(frozen=True)
class Managers:
    """Who may start what is real, and roll it back.

    :param names: user names, as Airflow's auth manager has them
    :param roles: names of roles of Airflow's auth manager
    :param by_role: the user names that had one of these roles when the run began
    :param problem: why nobody knows who has these roles, or what the setting says, without a full stop; empty: it is
        known
    """

    names: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    by_role: tuple[str, ...] = ()
    problem: str = ""

    @property
    def are_named(self) -> bool:
        """Whether the configuration names any; else everybody counts who may start a run."""
        return bool(self.names or self.roles or self.problem)

    def include(self, name: str | None) -> bool:
        """Tell whether a person is one of them."""
        return bool(name) and (name in self.names or name in self.by_role)

    @property
    def words(self) -> str:
        """Say who they are."""
        roles = [f"everybody with role {role!r}" for role in self.roles]
        names = self.names if len(self.names) <= MANY else (some(self.names, MANY),)
        return joined([*names, *roles]) or "nobody now"


EVERYBODY: Final = Managers()
"""Nobody is named: whoever may start a run may start any."""


def read_managers(text: str) -> Managers:
    """Read the setting: user names and ``role:NAME``, with commas between; empty: everybody.

    :raises ManagersUnreadable: it names nobody although it is not empty, or a role without a name
    """
    parts = [part.strip() for part in text.split(",")]
    named = [part for part in parts if part]
    roles = [part.removeprefix(_ROLE).strip() for part in named if part.startswith(_ROLE)]
    if text.strip() and not named:
        raise ManagersUnreadable(f"{SETTING} is {text!r}, which names nobody")
    if "" in roles:
        raise ManagersUnreadable(f"{SETTING} is {text!r}, and {_ROLE!r} in it names no role")
    names = [part for part in named if not part.startswith(_ROLE)]
    return Managers(tuple(dict.fromkeys(names)), tuple(dict.fromkeys(roles)))


def with_roles(managers: Managers, people: Iterable[str] | None, problem: str) -> Managers:
    """Return the managers with those who have their roles; None: nobody knows, and why."""
    return replace(managers, by_role=tuple(people or ()), problem=problem)


def why_not_started(managers: Managers, purpose: Purpose, starter: str | None, *, is_part: bool = False) -> str | None:
    """Say why a run does not start for the one who started it, and what to do; None: it may.

    :param starter: the user name; None: Airflow does not say. Of a step of another plan: who started the whole
    :param is_part: a step of another plan has started it, and has proven that: the preflight of that run, which is of
        the same kind, has asked for the roles of who started it
    """
    if not purpose.needs_recovery_manager or not managers.are_named or managers.include(starter):
        return None
    if is_part and managers.roles:
        return None
    what = f"a {purpose.title.lower()} is started by recovery managers only ({managers.words})"
    if is_said_by_anybody(starter):
        return (
            f"{what}, and this run was started from Airflow's command line as "
            f"{str(starter).removesuffix(COMMAND_LINE)!r}, where anybody can give any name: start it in Airflow's "
            "pages, by its API or with drs run start, which ask for a sign-in"
        )
    if not starter:
        return (
            f"{what}, and Airflow does not say who started this run: start it signed in, in Airflow's pages, by its "
            "API or with drs run start"
        )
    if managers.roles and managers.problem:
        return (
            f"{what}, and nobody can tell whether {starter}, who started this run, has such a role: "
            f"{managers.problem}. Let one of those start it who are named, or name {starter} in {SETTING}"
        )
    return (
        f"{what}, and {starter}, who started this run, is none of them: ask one of them to start it, or have {starter} "
        f"added to {_where(managers)}"
    )


def why_not_begun_anew(managers: Managers, purpose: Purpose) -> str | None:
    """Say why a run that somebody has cleared does not begin anew, and what to do; None: whoever cleared it may.

    Airflow keeps the name of who started a run, and notes nowhere in it who has cleared it.
    """
    if not purpose.needs_recovery_manager or not managers.are_named:
        return None
    return (
        f"a {purpose.title.lower()} is started by recovery managers only ({managers.words}), and somebody has cleared "
        "this run, Airflow does not say who: let one of them start a new run"
    )


def why_not_rolled_back(managers: Managers, who: str) -> str | None:
    """Say why a person's *Roll back* does not count; None: it does, as far as this goes."""
    if not managers.are_named or managers.include(who):
        return None
    if managers.problem:
        return (
            f"only recovery managers roll back ({managers.words}), and nobody can tell whether {who} is one: "
            f"{managers.problem}"
        )
    return f"only recovery managers roll back ({managers.words}), and {who} is none of them"


def could_roll_back(managers: Managers, names: Iterable[str]) -> tuple[str, ...]:
    """Return those of some people whose *Roll back* can count."""
    return tuple(name for name in names if why_not_rolled_back(managers, name) is None)


def _where(managers: Managers) -> str:
    return joined([*([SETTING] if managers.names else []), *(f"role {role!r}" for role in managers.roles)])
