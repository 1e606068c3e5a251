"""Which waves a wave waits for."""

from drs_provider.plan.model import RecoveryPlan


def wave_dependencies(plan: RecoveryPlan) -> dict[str, tuple[str, ...]]:
    """Give every wave's dependencies, in the plan's order; ``depends_on`` left out means the wave above."""
    names = [wave.name for wave in plan.waves]
    above: list[tuple[str, ...]] = [(), *((name,) for name in names[:-1])]
    return {
        wave.name: default if wave.depends_on is None else wave.depends_on
        for wave, default in zip(plan.waves, above, strict=True)
    }
