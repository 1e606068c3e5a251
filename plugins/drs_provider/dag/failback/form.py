"""The trigger form of the DAG of a plan's way back."""

from airflow.sdk import Param

from drs_provider.rules.failback.shape import FailbackShape
from drs_provider.rules.purpose import PURPOSES_BACK

_SCOPE = "Part of the plan"


def failback_form(shape: FailbackShape, notice: str = "") -> dict[str, Param]:
    """Params by name, as in the form of the plan's own DAG.

    ``notice`` is Markdown that stands above the first one's description.
    """
    waves = [wave.name for wave in shape.waves]
    return {
        "mode": Param(
            PURPOSES_BACK[0].name,
            type="string",
            enum=[purpose.name for purpose in PURPOSES_BACK],
            title="Mode",
            values_display={purpose.name: purpose.form_label for purpose in PURPOSES_BACK},
            description_md=(
                (f"{notice}\n\n" if notice else "")
                + "Reprotect: every recovered server is replicated back to where it came from, until it is ready to be "
                "launched there. It may take days, launches and stops nothing, and may be started again at any time: "
                "it goes on with what is there. AWS charges for the copy between Regions.\n\n"
                "Failback drill: what is ready is launched in its origin, in the network that the plan's "
                "`failback.drill` names, checked, and removed again. Production goes on, and so does its replication. "
                "It is refused for servers that DRS would launch into an instance that exists.\n\n"
                "Failback: once every server is ready, production goes back to its origin and is protected again from "
                "there; what was recovered is removed when people have agreed to it."
            ),
        ),
        "reason": Param(
            None,
            type=["null", "string"],
            maxLength=1000,
            title="Reason",
            description="Why this run is started; shown in its report.",
        ),
        "confirm": Param(
            None,
            type=["null", "string"],
            title="Confirm",
            description=f"In a failback: the plan's name, {shape.plan.name}.",
        ),
        "waves": Param(
            waves,
            type=["null", "array"],
            items={"type": "string", "enum": waves},
            examples=waves,
            title="Waves",
            section=_SCOPE,
            description="The waves whose servers go back; all of them unless you take some away.",
        ),
        "exclude_servers": Param(
            [],
            type=["null", "array"],
            items={"type": "string"},
            title="Exclude servers",
            section=_SCOPE,
            description="Hostnames or source server ids that this run leaves out, one a line.",
        ),
    }
