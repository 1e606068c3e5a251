"""What a change of a plan needs rights to: the plan, and whatever the plan newly reaches."""

from collections.abc import Collection, Iterator, Mapping

from pydantic import JsonValue

from drs_provider.plan.edit.files import Definition
from drs_provider.services.groups.catalog import GroupCatalog
from drs_provider.services.groups.survey import EVERY_DAG, has_dag, has_dag_id, is_editable


def refusals(
    name: str, before: Definition | None, after: Definition | None, catalog: GroupCatalog, editable: Collection[str]
) -> tuple[str, ...]:
    """Say what somebody may not do who makes a plan out of another one; nothing: they may.

    A plan launches the servers of its groups and starts the plans and DAGs of its steps, so whoever adds one of these
    must have the right to it.

    :param before: None: there is no such plan yet; ``after`` None: there shall be none
    :param editable: the ids of the DAGs that they may change
    """
    return tuple(_refusals(name, before or {}, after or {}, catalog, editable))


def plan_steps(definition: Definition) -> tuple[str, ...]:
    """Return the names of the plans that a plan runs as steps."""
    return tuple(_named(definition, "plan", "plan"))


def _refusals(
    name: str, before: Definition, after: Definition, catalog: GroupCatalog, editable: Collection[str]
) -> Iterator[str]:
    if not has_dag(name, editable):
        yield f"you may not change plan {name!r}"
    for group in dict.fromkeys(_groups(after)):
        if group not in set(_groups(before)) and not _may_use(group, catalog, editable):
            yield f"you may not use group {group!r}: there is none of this name that you may change"
    for plan in plan_steps(after):
        if plan not in plan_steps(before) and not has_dag(plan, editable):
            yield f"you may not run plan {plan!r} as a step: you may not change it"
    for dag in _named(after, "dag", "dag_id"):
        if dag not in set(_named(before, "dag", "dag_id")) and not has_dag_id(dag, editable):
            yield f"you may not run DAG {dag!r} as a step: you may not change it"


def _may_use(group: str, catalog: GroupCatalog, editable: Collection[str]) -> bool:
    """Whether somebody may use a group; one that is not there is refused as one is that is not theirs.

    Else the answer would tell which groups there are. Who may change every DAG is told later that it is not there.
    """
    return is_editable(group, catalog, editable) if group in catalog.groups else EVERY_DAG in editable


def _groups(definition: Definition) -> Iterator[str]:
    for wave in _mappings(definition.get("waves")):
        groups = wave.get("groups")
        yield from (group for group in (groups if isinstance(groups, list) else []) if isinstance(group, str))


def _named(definition: Definition, kind: str, key: str) -> dict[str, None]:
    """Return what the steps of a kind name, in the order of the plan."""
    owners = [definition, *_mappings(definition.get("waves"))]
    steps = [step for owner in owners for side in ("before", "after") for step in _mappings(owner.get(side))]
    found = (step.get(key) for step in steps if step.get("kind") == kind)
    return dict.fromkeys(name for name in found if isinstance(name, str))


def _mappings(value: JsonValue) -> list[Mapping[str, JsonValue]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
