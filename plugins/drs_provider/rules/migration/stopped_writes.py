"""Whether a run of a plan stops the writes of what it migrates, before anything is asked."""

from typing import TYPE_CHECKING

from drs_provider.formatting import joined
from drs_provider.plan.model import has_migrations

if TYPE_CHECKING:
    from drs_provider.rules.run.shape import RunShape

_ELSE = "Give the plan a step with when: migration in before that stops them, or start a recovery"


def why_not_migrated(shape: "RunShape") -> str | None:
    """Say why the waves that a run has cannot be migrated: nothing stops their writes; None: something does.

    Where sources are stopped, the writes of every wave must be: a wave in doubt would stop halfway.
    """
    name, waves = shape.plan.name, shape.chosen_waves
    if shape.quiesce_tasks:
        return None
    if not has_migrations(shape.plan):
        return f"nothing stops the writes of plan {name} in a migration, so data would be lost. {_ELSE}"
    quiet = {wave.name for wave in waves if wave.quiesce_tasks}
    if not quiet:
        return (
            f"only waves of plan {name} that were not chosen stop writes in a migration, so data would be lost. Choose "
            f"them too. {_ELSE}"
        )
    loud = [wave.name for wave in waves if wave.stop_task and not quiet & {wave.name, *wave.quiesced_above}]
    if loud:
        return f"nothing stops the writes of {joined(loud)} before the sources there are stopped. {_ELSE}"
    return None
