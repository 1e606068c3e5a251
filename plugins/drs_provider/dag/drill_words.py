"""What a plan's drills are like, for the people who are about to start one."""

from drs_provider.plan.model import RecoveryPlan, VpcNetwork
from drs_provider.recovery.times import duration_words


def where(plan: RecoveryPlan) -> str:
    """Word where drills of a plan land."""
    network = plan.drill.network
    if isinstance(network, VpcNetwork):
        return f"in the standing drill network `{network.vpc}`"
    return "in the network of a recovery, beside production" if network == "shared" else "in a network of its own"


def cost(plan: RecoveryPlan) -> str:
    """Word what is known of a drill's cost before it is started: how long it stays, and what it may cost at most.

    The figure itself needs the servers' sizes, which only AWS knows: preflight looks before anything is launched.
    """
    kept = plan.drill.keep_for
    stays = (
        f"is kept for {duration_words(kept)} after its last wave" if kept else "is cleaned up right after its last wave"
    )
    most = plan.drill.max_cost
    cap = f"is refused if it would cost more than ${float(most):.2f}" if most is not None else "has no cap on its cost"
    return (
        f"It {stays} and {cap} (`drill.keep_for`, `drill.max_cost`). What it will cost is estimated by "
        "`preflight.check`, in whose log it stands before anything is launched; the report has the estimate and the "
        "measured cost."
    )


def drill_in_words(plan: RecoveryPlan) -> str:
    """Return the paragraph about drills in the DAG's documentation."""
    return f"**Drill**: lands {where(plan)}. {cost(plan)}"
