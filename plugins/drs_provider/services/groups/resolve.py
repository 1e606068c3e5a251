"""What a definition of a group means now: its servers, and what stands against it, before it is saved."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drs_provider.plan.edit.files import Definition
from drs_provider.plan.edit.splice import write_block
from drs_provider.plan.model import ProtectionGroup
from drs_provider.plan.parser import parse_document
from drs_provider.plan.problems import Problem
from drs_provider.plan.yaml_source import read_documents
from drs_provider.rules.inventory.membership import find_conflicts, find_members
from drs_provider.rules.run.roster import target_of
from drs_provider.services.groups.catalog import GroupCatalog
from drs_provider.services.groups.survey import InventorySurvey


@dataclass(frozen=True)
class ResolvedGroup:
    """A definition resolved against the inventory.

    ``servers`` are ids, the named ones first; ``unknown`` those of them that DRS does not list; ``conflicts`` say
    which belong to another group, with its file and line; ``problems`` are what is wrong with the definition itself.
    ``account`` says why its account and Region cannot be asked; empty: it has answered.
    """

    servers: tuple[str, ...]
    unknown: tuple[str, ...]
    conflicts: tuple[str, ...]
    problems: tuple[Problem, ...]
    account: str = ""


def resolve(definition: Definition, catalog: GroupCatalog, now: InventorySurvey) -> ResolvedGroup:
    """Say what a definition selects now, and what is wrong with it."""
    group, problems = _read(definition)
    if group is None:
        return ResolvedGroup((), (), (), problems)
    members = find_members(group, now.servers, now.places)
    known = {server.server_id for server in now.servers}
    return ResolvedGroup(
        members,
        tuple(server for server in members if server not in known),
        find_conflicts(group, catalog.known(), now.servers, now.places),
        problems,
        " ".join(_account(group, now)),
    )


def read_definition(definition: Definition) -> ProtectionGroup | None:
    """Read a definition; None: nobody can say what it means."""
    return _read(definition)[0]


def new_conflicts(name: str, definition: Definition, catalog: GroupCatalog, now: InventorySurvey) -> tuple[str, ...]:
    """Say which servers a changed definition would share with another group and does not share already."""
    written = catalog.groups.get(name)
    before = resolve(written.definition, catalog, now).conflicts if written else ()
    return tuple(said for said in resolve(definition, catalog, now).conflicts if said not in before)


def not_compared(definition: Definition, now: InventorySurvey) -> tuple[str, ...]:
    """Say of which accounts and Regions nobody knows the servers: a definition is not compared with groups there.

    That is its own one, and those that may be the same one by another name.
    """
    group, _ = _read(definition)
    if group is None:
        return ()
    target = target_of(group)
    own = next((state for state in now.states if target in state.targets), None)
    said = list(_account(group, now)) if own is None or own.asked_at is None else []
    said += [f"{state.targets[0]}: {state.problem}" for state in now.states if state.place is None and state is not own]
    return tuple(f"not compared with other groups: {text}" for text in said)


def _read(definition: Definition) -> tuple[ProtectionGroup | None, tuple[Problem, ...]]:
    documents, problems = read_documents(Path("group"), write_block(dict(definition)).encode())
    parsed = [parse_document(document) for document in documents]
    problems += [problem for found in parsed for problem in found.problems]
    model = parsed[0].model if parsed else None
    return (model if isinstance(model, ProtectionGroup) else None), tuple(problems)


def _account(group: ProtectionGroup, now: InventorySurvey) -> Iterator[str]:
    target = target_of(group)
    state = next((state for state in now.states if target in state.targets), None)
    if state is None:
        yield f"{target} is not in the inventory yet: it is asked once a saved group or the settings name it"
    elif state.problem:
        yield f"{target}: {state.problem}"
