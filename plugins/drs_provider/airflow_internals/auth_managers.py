"""Airflow's auth managers from inside: who has a role, and the roles and permissions of the FAB provider."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_log = logging.getLogger(__name__)

Permission = tuple[str, str]
"""What FAB calls an action and a resource: ``can_read`` and ``DAG Runs``."""


@dataclass(frozen=True)
class RoleHolders:
    """The user names that have one of some roles; ``problem``: why nobody knows, without a full stop."""

    names: tuple[str, ...] = ()
    problem: str = ""


class NoFabAuthManager(Exception):
    """The roles of this Airflow are not FAB's: nothing can be written; the text says which auth manager it has."""


def holders_of(roles: Iterable[str]) -> RoleHolders:
    """Ask the configured auth manager who has one of some roles; only a process that may use the database can.

    It never raises: Airflow's scheduler asks.
    """
    wanted = frozenset(roles)
    try:
        name, manager = _configured()
        if any(base.__name__ == "SimpleAuthManager" for base in manager.__mro__):
            return _simple(wanted)
        if _is_fab(manager):
            return _fab(wanted)
    except Exception as error:  # noqa: BLE001 - whatever an auth manager, or its tables, say
        _log.warning("who has the roles %s cannot be asked: %r", sorted(wanted), error)
        return RoleHolders(problem=f"the auth manager cannot be asked: {type(error).__name__}")
    return RoleHolders(problem=f"{name} cannot be asked for the roles of a user")


def _configured() -> tuple[str, type]:
    from airflow.configuration import conf

    manager: type = conf.getimport("core", "auth_manager")
    return manager.__name__, manager


def _is_fab(manager: type) -> bool:
    return any(base.__name__ == "FabAuthManager" for base in manager.__mro__)


def _simple(roles: frozenset[str]) -> RoleHolders:
    """Read the users of the configuration. Its roles are ``admin``, ``op``, ``user`` and ``viewer``."""
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
    from airflow.configuration import conf

    if conf.getboolean("core", "simple_auth_manager_all_admins"):
        return RoleHolders(problem="nobody signs in here: [core] simple_auth_manager_all_admins is set")
    wanted = {role.casefold() for role in roles}
    users = SimpleAuthManager.get_users()
    return RoleHolders(tuple(sorted(user.username for user in users if str(user.role).casefold() in wanted)))


def _fab(roles: frozenset[str]) -> RoleHolders:
    """Read FAB's tables, in a session of its own: what goes wrong there must not end the scheduler's transaction."""
    from airflow.providers.fab.auth_manager.models import Role, User
    from airflow.utils.session import create_session
    from sqlalchemy import select

    query = select(User).join(User.roles).where(Role.name.in_(sorted(roles)), User.active.is_(True))
    with create_session() as session:
        users = session.scalars(query).unique().all()
        return RoleHolders(tuple(sorted({str(user.get_name()) for user in users})))


def sync_fab_roles(roles: Mapping[str, Sequence[Permission]], *, dry_run: bool = False) -> dict[str, list[Permission]]:
    """Make FAB's roles, and give each the permissions that it lacks; none is taken away. Return what each was given.

    :param roles: permissions by the name of the role
    :param dry_run: only tell
    :raises NoFabAuthManager: this Airflow has another auth manager, or the FAB provider is not installed
    """
    name, manager = _configured()
    if not _is_fab(manager):
        raise NoFabAuthManager(name)
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        security = builder.sm
        missing = {role: _missing(security.find_role(role), permissions) for role, permissions in roles.items()}
        if not dry_run:
            for action, resource in {permission for found in missing.values() for permission in found}:
                security.create_permission(action, resource)
            security.bulk_sync_roles([{"role": role, "perms": permissions} for role, permissions in roles.items()])
    return missing


def _missing(role: object, permissions: Sequence[Permission]) -> list[Permission]:
    held = {
        (permission.action.name, permission.resource.name) for permission in getattr(role, "permissions", None) or ()
    }
    return [permission for permission in permissions if permission not in held]
