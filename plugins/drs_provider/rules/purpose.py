"""What a run is for, and everything that follows from it: what is launched, who is asked, what stays.

No other module compares a mode. One that needs to know something new about drills or recoveries gets a field here, and
a new kind of run (failback, reprotection, migration) is a value here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from drs_provider.exceptions import PreflightRefused

if TYPE_CHECKING:
    from drs_provider.plan.model import Network, RecoveryPlan, Step

PurposeName = Literal["drill", "recovery", "migration", "check", "reprotect", "failback_drill", "failback"]
GoodVerdict = Literal["passed", "completed", "checked"]


@dataclass(frozen=True, kw_only=True)
class Purpose:
    """One kind of run; ``str`` is its name.

    What it is called:

    :param name: the word in the trigger form, in tags, in XComs and in reports
    :param title: the same as a headline
    :param form_label: what the trigger form says beside the choice
    :param section: the section of a plan that holds for it, and the kind of run whose steps, permissions and words it
        has: a check looks at what a drill would do
    :param is_on_the_way_back: it is started in the DAG of the plan's way back, never in the plan's own

    How it starts:

    :param may_be_scheduled: false: a person starts it by hand
    :param needs_confirmation: the plan's name must be typed to start it
    :param needs_reason: whoever starts it must say why
    :param needs_recovery_manager: where the configuration names recovery managers, only one of them starts it
    :param asks_for_approval: the people of ``recovery.approval`` must agree first, or one person above ``max_lag``
    :param overlaps: it starts although another run of the plan goes on; its preflight decides what it may take

    What it launches, and where:

    :param launches: false: it looks at everything that preflight looks at, and that is all; every task between
        preflight and report is skipped, and whatever else speaks of launching says what preflight looks for
    :param copies: it has the servers replicated to their origin, and follows that until they are ready there
    :param is_drill: what DRS is told (``isDrill``)
    :param uses_drill_network: it launches into ``drill.network``; false: into production's network
    :param uses_drill_settings: ``drill_launch`` lies over the other launch settings
    :param protects_instances: EC2 termination protection is switched on for what it launches
    :param may_replace_recovered: told so by ``replace_live_instances``, it may terminate a live recovered instance by
        launching its server again; false: it never does, whatever is asked
    :param spares_others_drills: a drill instance that somebody else launched refuses it, unless ``replace_drills``;
        false: the launch terminates such an instance, and preflight says so
    :param retries_over_instance: a failed server is launched again although an instance of it lives; false: that
        could destroy production, unless the instance is the run's own and proven never to have been started

    What speaks against it:

    :param minds_other_runs: what another run or person holds or has launched (a job, an instance, an execution of a
        native plan) may refuse it; false: it only warns, for it takes nothing from anybody
    :param refuses_broken_source: what is wrong with a source server, with permissions or with a place to land refuses
        the run; false: it warns, for a broken source is why there is such a run
    :param loses_silent_places: where an account or Region of the plan does not answer, its servers are lost and the
        rest goes on; false: the run waits, or is refused
    :param pins_broken_source: a source that does not answer is launched from its newest recovery point, not from a
        fresh snapshot
    :param refuses_changed_settings: it refuses to launch where launch settings were changed since it applied them;
        false: it applies them again
    :param quiesces: the writes of its sources are stopped first, and every server is launched from a recovery point
        that is younger; it is refused where the plan says nothing of how they stop
    :param yields: it refuses beside every other run, gives way to a recovery that takes its servers (and then ends as
        superseded), and waits behind one for room; false: it refuses beside its own kind only

    What stays:

    :param is_temporary: what it launched is removed, its networks and all; everything carries an expiry, and launch
        settings are put back. False: what it launched is production
    :param is_priced: its cost is estimated before, held against ``drill.max_cost``, and measured
    :param asks_to_commit: where the plan has ``recovery.commit``, people are asked at its end whether it stands or is
        rolled back
    :param proves_plan: when it ends with its good verdict, the plan is verified. False: people are told before whether
        the plan is

    How it ends:

    :param good_verdict: what a run is called against which nothing speaks
    :param after_failure: what to do about a failed server, once its cause is mended
    """

    name: PurposeName
    title: str
    form_label: str
    section: Literal["drill", "recovery", "failback"]
    is_on_the_way_back: bool = False
    may_be_scheduled: bool
    needs_confirmation: bool
    needs_reason: bool
    needs_recovery_manager: bool
    asks_for_approval: bool
    overlaps: bool
    launches: bool
    copies: bool = False
    is_drill: bool
    uses_drill_network: bool
    uses_drill_settings: bool
    protects_instances: bool
    may_replace_recovered: bool
    spares_others_drills: bool
    retries_over_instance: bool
    minds_other_runs: bool
    refuses_broken_source: bool
    loses_silent_places: bool
    pins_broken_source: bool
    refuses_changed_settings: bool
    quiesces: bool
    yields: bool
    is_temporary: bool
    is_priced: bool
    asks_to_commit: bool
    proves_plan: bool
    good_verdict: GoodVerdict
    after_failure: str

    def __str__(self) -> str:
        return self.name

    @property
    def severity(self) -> Literal["refusal", "warning"]:
        """What a finding about a source, a permission or a place is, unless it speaks against every run."""
        return "refusal" if self.refuses_broken_source else "warning"

    @property
    def holding_severity(self) -> Literal["refusal", "warning"]:
        """What a finding about a server is that somebody else holds."""
        return self.severity if self.minds_other_runs else "warning"

    @property
    def only_looks(self) -> bool:
        """Whether nothing in AWS is different after it."""
        return not (self.launches or self.copies)

    @property
    def cuts_over(self) -> bool:
        """Whether it brings production back to its origin, for good."""
        return self.is_on_the_way_back and self.launches and not self.is_temporary

    @property
    def cleans_up(self) -> bool:
        """Whether it has something to clean up at its end."""
        return self.launches and self.is_temporary

    def takes_step(self, step: "Step") -> bool:
        """Tell whether such a run takes a step; a run that launches nothing stops nothing either, and takes none."""
        return self.launches and self.name in step.run_kinds

    def plans_step(self, step: "Step") -> bool:
        """Tell whether preflight looks at a step: those that such a run takes, and in a check those of a drill."""
        return (self.name if self.launches else self.section) in step.run_kinds

    def max_lag(self, plan: "RecoveryPlan") -> timedelta | None:
        """Give the most replication lag that such a run of a plan allows; None: any."""
        if self.cuts_over:
            return None  # above failback.max_lag people are asked
        if self.quiesces:
            return plan.migration.max_lag or plan.rpo
        own = plan.drill.max_lag if self.is_drill else plan.recovery.max_lag
        return own or plan.rpo

    def lag_that_asks(self, plan: "RecoveryPlan") -> timedelta | None:
        """Give the replication lag above which people are asked; None: no lag asks anybody."""
        if self.cuts_over:
            return (plan.failback.max_lag if plan.failback else None) or plan.rpo
        return plan.recovery.max_lag if self.asks_for_approval and not self.refuses_broken_source else None

    def network(self, plan: "RecoveryPlan") -> "Network":
        """Give where such a run of a plan launches: ``shared`` is production's network."""
        return plan.drill.network if self.uses_drill_network else "shared"

    def has_own_network(self, plan: "RecoveryPlan") -> bool:
        """Tell whether such a run of a plan launches outside of production's network."""
        return self.network(plan) != "shared"

    def keep_for(self, plan: "RecoveryPlan") -> timedelta:
        """Give how long what such a run launched is kept for people before it is removed; zero: not at all."""
        return plan.drill.keep_for if self.is_temporary else timedelta(0)


DRILL: Final = Purpose(
    name="drill",
    title="Drill",
    form_label="Drill: launch, check, clean up",
    section="drill",
    may_be_scheduled=True,
    needs_confirmation=False,
    needs_reason=False,
    needs_recovery_manager=False,
    asks_for_approval=False,
    overlaps=False,
    launches=True,
    is_drill=True,
    uses_drill_network=True,
    uses_drill_settings=True,
    protects_instances=False,
    may_replace_recovered=False,
    spares_others_drills=True,
    retries_over_instance=True,
    minds_other_runs=True,
    refuses_broken_source=True,
    loses_silent_places=False,
    pins_broken_source=False,
    refuses_changed_settings=True,
    quiesces=False,
    yields=True,
    is_temporary=True,
    is_priced=True,
    asks_to_commit=False,
    proves_plan=True,
    good_verdict="passed",
    after_failure="then start the drill again",
)
"""A rehearsal: launches, checks, and cleans up after itself."""

RECOVERY: Final = Purpose(
    name="recovery",
    title="Recovery",
    form_label="Recovery: production comes up here",
    section="recovery",
    may_be_scheduled=False,
    needs_confirmation=True,
    needs_reason=True,
    needs_recovery_manager=True,
    asks_for_approval=True,
    overlaps=True,
    launches=True,
    is_drill=False,
    uses_drill_network=False,
    uses_drill_settings=False,
    protects_instances=True,
    may_replace_recovered=True,
    spares_others_drills=False,
    retries_over_instance=False,
    minds_other_runs=True,
    refuses_broken_source=False,
    loses_silent_places=True,
    pins_broken_source=True,
    refuses_changed_settings=False,
    quiesces=False,
    yields=False,
    is_temporary=False,
    is_priced=False,
    asks_to_commit=True,
    proves_plan=False,
    good_verdict="completed",
    after_failure="then clear the wave's tasks in Airflow to launch what is not there",
)
"""The real one: brings production up, and what it launched stays."""

MIGRATION: Final = replace(
    RECOVERY,
    name="migration",
    title="Planned migration",
    form_label="Planned migration: stop the writes, lose no data, production comes up here",
    refuses_broken_source=True,
    loses_silent_places=False,
    pins_broken_source=False,
    quiesces=True,
)
"""A recovery of sources that are there: nothing that they have written is lost."""

CHECK: Final = replace(
    DRILL,
    name="check",
    title="Check",
    form_label="Check: look at everything, launch nothing",
    overlaps=True,
    launches=False,
    retries_over_instance=False,
    minds_other_runs=False,
    yields=False,
    proves_plan=False,
    good_verdict="checked",
    after_failure="then check again",
)
"""Everything that the preflight of a drill looks at, and nothing more: changes nothing, asks nobody, holds nothing."""

REPROTECT: Final = replace(
    CHECK,
    name="reprotect",
    title="Reprotection",
    form_label="Reprotect: replicate what was recovered back to its origin",
    section="failback",
    is_on_the_way_back=True,
    may_be_scheduled=False,
    copies=True,
    is_drill=False,
    uses_drill_network=False,
    uses_drill_settings=False,
    spares_others_drills=False,
    is_temporary=False,
    is_priced=False,
    good_verdict="completed",
    after_failure="then reprotect again: it goes on with what is there",
)
"""Recovered servers are replicated to where they came from, until each can be launched there; nothing is launched."""

FAILBACK_DRILL: Final = replace(
    DRILL,
    name="failback_drill",
    title="Failback drill",
    form_label="Failback drill: launch what is ready in the origin, check, clean up",
    section="failback",
    is_on_the_way_back=True,
    may_be_scheduled=False,
    uses_drill_settings=False,
    proves_plan=False,
    after_failure="then start the failback drill again",
)
"""A rehearsal of the way back: launches in the origin what is replicated there, checks, and cleans up after itself."""

FAILBACK: Final = replace(
    MIGRATION,
    name="failback",
    title="Failback",
    form_label="Failback: stop the writes, production goes back to its origin and is protected again",
    section="failback",
    is_on_the_way_back=True,
    may_replace_recovered=False,
    asks_to_commit=False,
    after_failure="then clear the wave's tasks in Airflow to launch what is not there",
)
"""Reversed servers are launched in their origin, protected again from there, and what the way back has left goes."""

LAUNCHES_NOTHING: Final = "a check launches nothing"
"""Why a task has nothing to do in a run that launches nothing."""


def launches_nothing(purpose: Purpose) -> str:
    """Say why a task that launches, or cleans up, has nothing to do in a run that launches nothing."""
    return f"a {purpose.title.lower()} launches nothing"


STARTERS: Final = {
    "manual": "a person",
    "scheduled": "a schedule",
    "operator_triggered": "another DAG",
    "asset_triggered": "an asset event",
}
"""How a run of a plan may come to be: Airflow's word for its type, and who starts it. A recovery: a person only."""

PURPOSES: Final = (DRILL, RECOVERY, MIGRATION, CHECK)
"""Every kind of run of a plan's own DAG, in the order in which people choose; the first one is what a run is unless
somebody says."""


PURPOSES_BACK: Final = (REPROTECT, FAILBACK_DRILL, FAILBACK)
"""Every kind of run of the DAG of a plan's way back, in the same order."""

ALL_PURPOSES: Final = (*PURPOSES, *PURPOSES_BACK)
"""Every kind of run, for those who only show runs or read what they left."""


def find_purpose(mode: object, among: Sequence[Purpose] = ALL_PURPOSES) -> Purpose | None:
    """Read a mode where it is only shown; None: it is none."""
    return next((purpose for purpose in among if isinstance(mode, str) and mode == purpose.name), None)


def purpose_of(mode: object, among: Sequence[Purpose] = PURPOSES) -> Purpose:
    """Read a mode; refuse everything that is not exactly one of the words.

    ``bool("False")`` is true, a template renders to text, and a recovery by mistake is a disaster of its own: so the
    mode is compared as text, and what is neither word never reaches AWS.

    :param among: the kinds of run that may be meant; a launch of a plan's own DAG is none of its way back
    :raises PreflightRefused: it is none
    """
    found = find_purpose(mode, among)
    if found is None:
        raise PreflightRefused("this plan", [no_mode(mode, among)])
    return found


def no_mode(mode: object, among: Sequence[Purpose] = PURPOSES) -> str:
    """Word that something is no mode."""
    words = [f"'{purpose.name}'" for purpose in among]
    return f"mode {mode!r} is neither {' nor '.join(words)}" if len(words) > 1 else f"mode {mode!r} is not {words[0]}"
