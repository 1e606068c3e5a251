"""``drs roles``: who may do what, and the roles for it in Airflow's FAB auth manager."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from drs_provider.configuration import plans_folder
from drs_provider.exceptions import UsageError
from drs_provider.formatting import joined, plural
from drs_provider.plan.loader import read_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drs_provider.rules.roles.permissions import Permission

NAME = "roles"
HELP = "the five roles: show them, or make them in Airflow (FAB auth manager)"


def configure(parser: ArgumentParser) -> None:
    """Add the subcommands and their options."""
    parser.description = (
        "Show the five roles and their permissions on the plans of a folder, or make them in Airflow's database where "
        "its auth manager is FAB's. Exit codes: 0 done, 2 wrong use, or this Airflow has other roles."
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, text in (
        ("show", "show the roles and their permissions"),
        ("sync", "make the roles, and give each what it lacks; nothing is taken away"),
    ):
        action = actions.add_parser(name, help=text, description=f"{text[:1].upper()}{text[1:]}.")
        action.add_argument("--plans", type=Path, metavar="FOLDER", help="default: DRS_PLANS_FOLDER, else plans")
        action.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
        if name == "sync":
            action.add_argument("--dry-run", action="store_true", help="only tell what would be given")


def run(options: Namespace) -> int:
    """Show or sync, and give the exit code."""
    from drs_provider.rules.roles.permissions import fab_permissions

    folder = options.plans or plans_folder() or Path("plans")
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder; name the plans with --plans")
    permissions = fab_permissions(sorted(read_folder(folder).plans))
    if options.action == "show":
        _show(permissions, as_json=options.format == "json")
        return 0
    given = _sync(permissions, dry_run=options.dry_run)
    if options.format == "json":
        print(json.dumps(given, indent=2))
        return 0
    verb = "would be given" if options.dry_run else "was given"
    for role, found in given.items():
        count = plural(len(found), "permission")
        print(f"{role}: {f'{verb} {count}' if found else 'has all its permissions'}")
    return 0


def _show(permissions: "Mapping[str, tuple[Permission, ...]]", *, as_json: bool) -> None:
    from drs_provider.rules.roles.permissions import CONSOLE_ROLES

    if as_json:
        print(json.dumps({role: list(found) for role, found in permissions.items()}, indent=2))
        return
    for role in CONSOLE_ROLES:
        print(f"{role.name}: {role.may}")
        by_resource: dict[str, list[str]] = {}
        for action, resource in permissions[role.name]:
            by_resource.setdefault(resource, []).append(action)
        for resource, actions in by_resource.items():
            print(f"  {resource}: {joined(actions)}")


def _sync(permissions: "Mapping[str, tuple[Permission, ...]]", *, dry_run: bool) -> "dict[str, list[Permission]]":
    from drs_provider.airflow_internals.auth_managers import NoFabAuthManager, sync_fab_roles

    try:
        return sync_fab_roles(permissions, dry_run=dry_run)
    except NoFabAuthManager as error:
        raise UsageError(
            f"this Airflow's auth manager is {error}, which has no roles that can be made here: only FabAuthManager "
            "has. docs/security.md says what to do with others; drs roles show lists the permissions"
        ) from error
    except ImportError as error:
        raise UsageError(
            "the FAB provider cannot be imported here: install apache-airflow-providers-fab, or run this where "
            f"Airflow's API server runs ({error})"
        ) from error
