"""``plan``: runs another plan and waits for it; the run inherits mode, reason, point in time and proven approvals."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Final, Literal, NoReturn, TypeVar

from drs_provider.exceptions import DrsProviderError, HandoverUnreadable, StepFailed
from drs_provider.formatting import some
from drs_provider.plan.fields import LongerThanZero, Name
from drs_provider.plan.step_kinds import StepKind
from drs_provider.plan.steps import Step
from drs_provider.rules.launch.tags import short_run_id
from drs_provider.rules.purpose import find_purpose
from drs_provider.rules.run.names import COMMIT_TASK, PREFLIGHT_TASK, REPORT_TASK, WATCH, dag_id_of, wave_task
from drs_provider.steps.work import Going, StepOutcome, StepSurroundings, StepWork

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import Document, PlanRunOutcome, PlanRunStart, PreflightResult
    from drs_provider.rules.run.part_losses import PartWave
    from drs_provider.services.launch.part_instances import PartLook
    from drs_provider.triggers.dag_runs import DagRunEvent

_LONGEST: Final = timedelta(hours=6)
"""How long a plan may take where its step says nothing: all its waves, and a drill that is kept for people."""

_GOOD: Final = ("passed", "completed", "completed_with_exceptions")

_ROLLED_BACK: Final = {
    "rolling_back": "being rolled back",
    "rolled_back": "rolled back",
    "incomplete": "rolled back in part",
}

_Left = TypeVar("_Left", bound="Document")


class PlanStep(Step):
    """Runs another plan of the same folder and waits for its end."""

    kind: Literal["plan"]
    plan: Name
    """The plan to run."""
    timeout: LongerThanZero = _LONGEST
    """How long the step may take, from the start of the plan's run to its end."""

    @property
    def runs_plan(self) -> str | None:
        """The name of the plan that it runs."""
        return self.plan


class RunPlan(StepWork[PlanStep, "DagRunEvent"]):
    """Trigger the one run that this step has in its run, with the proof of that, and wait for its end.

    A recovery that asks at its end whether it stands (``recovery.commit``) counts as ended then: its own people decide,
    however long they take.

    A step that is cleared after its plan has failed has that run go on: all its tasks are cleared, and adopt what they
    have begun, as in every run that is cleared.
    """

    LINKS: ClassVar[tuple[str, ...]] = ("drs_provider.links.plan_runs.PlanRunLink",)

    def begin(self, going: Going) -> StepOutcome:
        """Trigger it, or adopt the run that an earlier try or attempt has triggered; wait."""
        from drs_provider.airflow_internals.tasks import has_dag_run
        from drs_provider.links.plan_runs import PlanRunLink
        from drs_provider.rules.run.parts import plan_run_start

        ids = going.ids
        start = plan_run_start(
            self.step.plan,
            parent_plan=going.where.plan,
            parent=(ids.dag_id, ids.run_id, ids.task_id),
            inherited=going.inherited(),
        )
        PlanRunLink.point_at(self, dag_id=start.dag_id, run_id=start.run_id)
        is_there = has_dag_run(start.dag_id, start.run_id)
        is_new_attempt = going.memory.attempt > 1 and not going.memory.begun
        if not is_there or (is_new_attempt and going.run_state(start.dag_id, start.run_id) == "failed"):
            self._refuse_paused(start)
            going.memory.begin(run_id=start.run_id)
            self._trigger(going, start, again=is_there)
        else:
            going.leave(start)
            going.memory.begin(run_id=start.run_id)
            self.log.info("Run %s belongs to this step: adopted", start.run_id)
        self._wait_for(going, start.dag_id, start.run_id, asks_task=COMMIT_TASK)

    def heard(self, going: Going, event: "DagRunEvent") -> StepOutcome:
        """Judge the run by the verdict that its own report task has signed."""
        from drs_provider.links.plan_runs import PlanRunLink

        dag_id, run_id = dag_id_of(self.step.plan), str(going.memory.begun["run_id"])
        PlanRunLink.point_at(self, dag_id=dag_id, run_id=run_id)
        if event["outcome"] == "timed_out":
            what = f"run {run_id} of plan {self.step.plan} is still running; it is not stopped"
            raise StepFailed(self.timed_out(what).why, is_final=True)
        if event["outcome"] == "asks":
            found = self._outcome(dag_id, run_id, COMMIT_TASK)
            if not found.verdict:  # its report so far could not be written: only its end tells
                self._wait_for(going, dag_id, run_id, asks_task=None)
            state = "success" if found.verdict in _GOOD else "failed"
            return self._judged(going, found, state, COMMIT_TASK)
        return self._judged(going, self._outcome(dag_id, run_id), event["state"], REPORT_TASK)

    def _judged(self, going: Going, found: "PlanRunOutcome", state: str, task_id: str) -> StepOutcome:
        """Judge a run by its report and by the cloud of this moment: what it launched may be gone since."""
        mode = going.inherited().mode
        outcome = judged(found, state, mode=mode)
        look = self._look(found, task_id, mode)
        if look.gone:
            raise StepFailed(why_gone(found, look.gone, going.where), is_final=True, part=found)
        said = [outcome.summary]
        if look.remarks:
            self.log.warning("Of what plan %s has launched, not all is up: %s", found.plan, "; ".join(look.remarks))
            said.append(f"Not all of it is up any more: {some(look.remarks, separator='; ')}")
        if look.problems:
            problems = some(look.problems, separator="; ")
            self.log.warning("Whether all that plan %s has launched is still up is unknown: %s", found.plan, problems)
            said.append(f"Whether all that it has launched is still up is unknown: {problems}")
        return replace(outcome, summary=". ".join(said))

    def _look(self, found: "PlanRunOutcome", task_id: str, mode: str) -> "PartLook":
        """Say what is no more of what a run has launched for good, and of what nobody knows."""
        from drs_provider.rules.run.handover import PreflightResult
        from drs_provider.services.launch.part_instances import PartLook, look_at_part

        purpose = find_purpose(mode)
        if purpose is None or not purpose.launches or purpose.is_temporary:
            return PartLook()
        try:
            preflight = self._left(found, PreflightResult, PREFLIGHT_TASK)
            if preflight is None:
                return PartLook(problems=("the result of its preflight, which says where its servers are, is missing",))
            waves = self._launched(found, task_id, preflight)
        except DrsProviderError as error:  # a recovery does not fail because nobody answers a last look
            return PartLook(problems=(str(error),))
        if waves is None:
            return PartLook(
                problems=("the report in its run is too big to name servers, and its waves have left none",)
            )
        return look_at_part(waves, preflight)

    def _launched(
        self, found: "PlanRunOutcome", task_id: str, preflight: "PreflightResult"
    ) -> "Sequence[PartWave] | None":
        """Read what each wave of a run has launched, of its report, or of its waves where it is too big for that.

        None: neither says it.
        """
        from drs_provider.rules.run.handover import KeptReport, ServerResults
        from drs_provider.rules.run.part_losses import lacks_servers, wave_of_results, waves_in_report

        kept = self._left(found, KeptReport, task_id)
        report = kept.report if kept else None
        if report is not None and not lacks_servers(report):
            return waves_in_report(report)
        waves = []
        for name, wave in preflight.chosen_waves.items():
            results = self._left(found, ServerResults, wave_task(name, WATCH))
            if results:
                waves.append(wave_of_results(name, wave.servers, results.servers, report or {}))
        return waves or None

    def _wait_for(self, going: Going, dag_id: str, run_id: str, *, asks_task: str | None) -> NoReturn:
        from drs_provider.triggers.dag_runs import DagRunTrigger

        deadline = going.deadline.isoformat()
        self.wait(going, DagRunTrigger(dag_id=dag_id, run_id=run_id, deadline=deadline, asks_task=asks_task))

    def _refuse_paused(self, start: "PlanRunStart") -> None:
        from drs_provider.airflow_internals.tasks import is_dag_paused

        try:
            is_paused = is_dag_paused(start.dag_id)
        except Exception as error:  # Airflow has no error of its own for a DAG that is not there
            why = f"Airflow has no plan {start.plan} (DAG {start.dag_id}), or cannot read it: look at its import errors"
            raise StepFailed(why, is_final=True) from error
        if is_paused:
            raise StepFailed(
                f"plan {start.plan} is paused, so a run would not begin: drs run resume {start.plan}, then clear this "
                "task"
            )

    def _trigger(self, going: Going, start: "PlanRunStart", *, again: bool) -> None:
        from drs_provider.airflow_internals.tasks import trigger_dag_run
        from drs_provider.rules.run.parts import conf_of

        conf = conf_of(start, going.leave(start))
        refusal = trigger_dag_run(start.dag_id, start.run_id, conf=conf, at=going.clock(), again=again)
        if refusal:
            raise StepFailed(f"Airflow did not start plan {start.plan}: {refusal}")
        self.log.info("Run %s of plan %s %s", start.run_id, start.plan, "goes on" if again else "started")

    def _outcome(self, dag_id: str, run_id: str, task_id: str = REPORT_TASK) -> "PlanRunOutcome":
        """Read how the run ended, as its own report task has signed it.

        :param task_id: the task that left the report: of a run that asks people at its end, the one that asks
        """
        from drs_provider.rules.run.handover import KeptReport, PlanRunOutcome, WrittenReport

        found = PlanRunOutcome(plan=self.step.plan, dag_id=dag_id, run_id=run_id)
        written, kept = self._left(found, WrittenReport, task_id), self._left(found, KeptReport, task_id)
        if written is None:
            return found
        report = (kept.report if kept else None) or {}
        counts, run, commit = (report.get(part) for part in ("counts", "run", "commit"))
        return found.model_copy(
            update={
                "verdict": written.verdict,
                "reason": written.reason,
                "report": written.where,
                "mode": run.get("mode", "") if isinstance(run, dict) else "",
                "launched": counts.get("launched") if isinstance(counts, dict) else None,
                "servers": counts.get("servers") if isinstance(counts, dict) else None,
                "commit": commit.get("status", "") if isinstance(commit, dict) else "",
            }
        )

    def _left(self, run: "PlanRunOutcome", document: "type[_Left]", task_id: str) -> "_Left | None":
        from drs_provider.airflow_internals.tasks import read_xcom
        from drs_provider.rules.run.handover.signature import Origin
        from drs_provider.services.signed import opened

        value = read_xcom(document.KEY, dag_id=run.dag_id, run_id=run.run_id, task_id=task_id)
        try:
            return opened(value, document, Origin(run.dag_id, run.run_id, task_id, document.KEY))
        except HandoverUnreadable as error:
            why = f"run {run.run_id} of plan {run.plan} has ended, and nobody can tell how: {error}"
            raise StepFailed(why, is_final=True) from error


def why_gone(found: "PlanRunOutcome", gone: Sequence[str], where: StepSurroundings) -> str:
    """Say that what the run of a plan has launched is not up any more, and how both runs go on.

    :param where: where the step stands that has run it: the run cannot be cleared to launch again what it has launched
    """
    look = f"drs run status {found.plan} {short_run_id(found.dag_id, found.run_id)}"
    past = f"drs run continue {where.plan} --wave {where.wave} --reason TEXT" if where.wave else ""
    then = past or f"mark this task of plan {where.plan} as successful in Airflow"
    return (
        f"what plan {found.plan} has launched is not up any more: {some(gone, separator='; ')}. "
        f"Report: {found.report}. To start it again: drs run start {found.plan}. To clear this task does not help, it "
        f"looks at the same run again; once {found.plan} is up, or is not needed, let this run go on: {then}; {look}"
    )


def judged(found: "PlanRunOutcome", state: str, *, mode: str) -> StepOutcome:
    """Say how the run of a plan ended, or raise ``StepFailed`` with its first cause and what to do next.

    :param found: what its report task left
    :param state: Airflow's word for how the run ended
    :param mode: that of the run of this step: whoever may start runs of the other plan could have been there first
    """
    look = f"drs run status {found.plan} {short_run_id(found.dag_id, found.run_id)}"
    if not found.verdict:
        why = f"run {found.run_id} of plan {found.plan} ended as {state} in Airflow and left no report: {look}"
        raise StepFailed(why, is_final=True, part=found)
    if found.mode != mode:
        why = f"run {found.run_id} of plan {found.plan} is no {mode} but a {found.mode or 'run of an unknown mode'}"
        then = f"somebody else has started it under the id of this step's run. Start the {mode} by itself"
        raise StepFailed(f"{why}: {then}: drs run start {found.plan}", is_final=True, part=found)
    reason, verdict = found.reason.strip().rstrip("."), found.verdict.replace("_", " ")
    where = f"Run {found.run_id}, report: {found.report}"
    if found.commit in _ROLLED_BACK:
        why = f"the {mode} of plan {found.plan} is {_ROLLED_BACK[found.commit]}, so it is not up: {reason}. {where}"
        raise StepFailed(f"{why}. To start it again: drs run start {found.plan}; {look}", is_final=True, part=found)
    if state == "success" and found.verdict in _GOOD:
        return StepOutcome(f"plan {found.plan} {verdict}: {reason}. {where}", part=found)
    ended = f"ended as {verdict}" if found.verdict not in _GOOD else f"ended as {state} in Airflow"
    then = "Once its cause is mended, clear this task: that run goes on, and what it has launched is kept"
    raise StepFailed(f"plan {found.plan} {ended}: {reason}. {where}. {then}; {look}", is_final=True, part=found)


KIND = StepKind(
    name="plan",
    title="Other plan",
    model=PlanStep,
    work=RunPlan,
    reaches_out="it would run another plan: rehearse that one by itself",
    looks_around=True,
)
