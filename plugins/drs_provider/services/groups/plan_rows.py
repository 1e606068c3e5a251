"""What is said of a recovery plan by its file: what ``drs plans`` prints, and the REST API answers."""

from pydantic import JsonValue

from drs_provider.plan.loader import Library, RunnablePlan
from drs_provider.rules.run.names import dag_id_of
from drs_provider.services.groups.catalog import GroupCatalog


def all_plans(library: Library) -> dict[str, RunnablePlan]:
    """Give every plan that can be read, by name; also where other files dispute something of it."""
    return dict(sorted({**library.contested, **library.plans}.items()))


def plan_row(runnable: RunnablePlan, catalog: GroupCatalog) -> dict[str, JsonValue]:
    """Describe a plan.

    ``is_startable`` is false where no run begins, because of what other files say: ``disputes``.
    """
    plan, path = runnable.plan, runnable.path
    return {
        "name": plan.name,
        "dag_id": dag_id_of(plan.name),
        "title": plan.title or plan.name,
        "description": plan.description or "",
        "owner": plan.owner or "",
        "file": str(path.relative_to(catalog.folder)) if path.is_relative_to(catalog.folder) else path.name,
        "digest": runnable.digest,
        "waves": [wave.name for wave in plan.waves],
        "groups": list(runnable.groups),
        "rto_seconds": plan.rto.total_seconds() if plan.rto else None,
        "rpo_seconds": plan.rpo.total_seconds() if plan.rpo else None,
        "is_startable": plan.name in catalog.library.plans,
        "disputes": [f"{problem.where}: {problem.what}" for problem in catalog.library.disputes_of(plan.name)],
    }


def holds_text(runnable: RunnablePlan, needle: str) -> bool:
    """Tell whether a plan holds a text, whatever its case: in its names, its words, its waves and groups."""
    plan = runnable.plan
    waves = (wave.name for wave in plan.waves)
    texts = (plan.name, plan.title or "", plan.description or "", plan.owner or "", *waves, *runnable.groups)
    return needle.strip().lower() in "\n".join(texts).lower()
