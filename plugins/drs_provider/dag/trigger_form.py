"""The trigger form of a recovery plan's DAG."""

from airflow.sdk import Param

from drs_provider.dag.docs import drill_in_words
from drs_provider.rules.purpose import PURPOSES
from drs_provider.rules.run.shape import RunShape

_SCOPE = "Part of the plan"
_ADVANCED = "Advanced"
_CONFIRM = "Confirm a recovery"


def trigger_form(shape: RunShape, notice: str = "") -> dict[str, Param]:
    """Params by name. Those without a section stand open in Airflow's form, the others fold away.

    Airflow marks with an asterisk what may not be empty: that is the mode alone. Its form lays inline code over the
    text around it, so the help texts have none.

    ``notice`` is Markdown that stands above the first one's description.
    """
    waves = [wave.name for wave in shape.waves]
    return {
        "mode": Param(
            PURPOSES[0].name,
            type="string",
            enum=[purpose.name for purpose in PURPOSES],
            title="Mode",
            values_display={purpose.name: purpose.form_label for purpose in PURPOSES},
            description_md=(
                (f"{notice}\n\n" if notice else "")
                + "A drill cleans up after itself. A recovery brings production up and stays: it needs the plan's name "
                f"under {_CONFIRM}, and a reason. So does a planned migration, which stops the writes of the sources "
                "first and loses no data: it needs sources that replicate. A check looks at everything that a drill "
                "needs and launches nothing."
                f"\n\n{drill_in_words(shape.plan)}"
                f"\n\n{_where_production_is_said(shape.plan.name)}"
            ),
        ),
        "reason": Param(
            None,  # an empty text would be a missing answer to Airflow's form, and block its button
            type=["null", "string"],
            maxLength=1000,
            title="Reason",
            description="Why this run is started; shown in its report. A recovery and a migration need one.",
        ),
        "confirm": Param(
            None,
            type=["null", "string"],
            title=_CONFIRM,
            description=(
                f"For a recovery or a migration type the plan's name: {shape.plan.name}. A drill needs nothing here."
            ),
        ),
        "waves": Param(
            waves,
            type=["null", "array"],
            items={"type": "string", "enum": waves},
            examples=waves,
            title="Waves",
            section=_SCOPE,
            description="The waves to run; all of them unless you take some away.",
        ),
        "exclude_servers": Param(
            [],
            type=["null", "array"],
            items={"type": "string"},
            title="Exclude servers",
            section=_SCOPE,
            description="Hostnames or source server ids that this run leaves out, one a line.",
        ),
        "point_in_time": Param(
            "latest",
            type=["null", "string"],
            title="Point in time",
            section=_ADVANCED,
            description=(
                "'latest', or one instant for everything (2026-01-31T14:05:00Z): every server is launched from its "
                "newest recovery point not after it. Z is UTC; for another time zone write its offset, as +02:00."
            ),
        ),
        **_launch_time(shape),
        "replace_live_instances": Param(
            False,
            type=["null", "boolean"],
            title="Replace live recovered instances",
            section=_ADVANCED,
            description=(
                "DRS terminates a server's previous recovery instance when it launches a new one. "
                "Servers that hold a live recovered instance are refused unless this is on. For recoveries only: a "
                "drill is refused with it."
            ),
        ),
        "replace_drills": Param(
            False,
            type=["null", "boolean"],
            title="Replace drill instances of others",
            section=_ADVANCED,
            description=(
                "A drill is refused where somebody else has launched a drill instance of one of its servers, because "
                "DRS terminates that instance. With this on, it is terminated, and the report names it."
            ),
        ),
        "continue_run": Param(
            None,
            type=["null", "string"],
            title="Continue a run",
            section=_ADVANCED,
            description=(
                "Key of a run that another Airflow began, as the command drs takeover shows it: what it launched is "
                "kept, its running jobs are adopted, the rest is launched."
            ),
        ),
    }


def _launch_time(shape: RunShape) -> dict[str, Param]:
    """Ask when servers are launched, where the plan launches some ahead."""
    if not shape.has_launch_ahead:
        return {}
    param = Param(
        "ahead",
        type="string",
        enum=["ahead", "in_waves"],
        title="Launch",
        values_display={
            "ahead": "Ahead, as the plan says: all at once and stopped; the waves start the instances",
            "in_waves": "In waves: every wave launches its servers in its turn",
        },
        section=_ADVANCED,
        description=(
            "Ahead, a run takes about one DRS job and the boots of its waves. In waves, instances that are never "
            "needed are never made. A planned migration always launches in waves."
        ),
    )
    return {"launch": param}


def _where_production_is_said(plan: str) -> str:
    """Say where to look whether production is up: the form is made when the file is read, and asks nobody."""
    return (
        "Whether production that a recovery of this plan brought up is up now, this form cannot know: see Recovery "
        f"plans in the menu, or the command drs verified {plan}. Preflight asks DRS: a drill of servers that are up is "
        "refused, and a recovery terminates none of them unless it is told to replace live recovered instances."
    )
