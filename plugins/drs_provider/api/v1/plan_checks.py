"""``/recovery-plans``: check a text as a plan file, and take preflight without a run."""

from http import HTTPStatus
from threading import BoundedSemaphore
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from drs_provider.api.origin import refuse_other_origins
from drs_provider.api.plan_sources import LookWithoutRun, PlanSources
from drs_provider.api.problems import ProblemDetail, RequestRefused, more_responses
from drs_provider.api.turns import Turns
from drs_provider.api.v1.group_checks import problem_detail
from drs_provider.api.v1.recovery_plans import plan_named
from drs_provider.exceptions import PreflightRefused
from drs_provider.patience import within
from drs_provider.plan.loader import RunnablePlan
from drs_provider.rules.preflight.outcome import PreflightOutcome
from drs_provider.rules.purpose import DRILL, PURPOSES
from drs_provider.services.groups.files import PathRefusedError
from drs_provider.services.groups.posted_text import TextTooLongError, check_text
from drs_provider.services.groups.reader import GroupReader

LONGEST_LOOK: Final = 50.0
"""Seconds that a look of preflight is waited for; proxies end longer answers."""

SIDE_BY_SIDE: Final = 2
"""Looks of preflight at the same time: each asks AWS for every server of a plan."""

TEXTS_SIDE_BY_SIDE: Final = 2
"""Texts that are checked at the same time: each takes the processor for seconds where it is long."""

LONGEST_TEXT: Final = 1_000_000
"""Characters of a text; the definition of a group with 10,000 servers has 220,000."""

MOST_PROBLEMS: Final = 200
"""Problems of a text that are told; nobody reads more of them at once."""

_NAMES: Final = tuple(purpose.name for purpose in PURPOSES)

Names = Annotated[list[Annotated[str, Field(max_length=250)]] | None, Field(max_length=5000)]


class PostedText(BaseModel, extra="forbid"):
    """YAML as a plan file has it."""

    text: Annotated[str, Field(max_length=LONGEST_TEXT)]
    file: Annotated[
        str | None, Field(max_length=300, description="The file below the plans folder that it replaces.")
    ] = None


class TextPlan(BaseModel):
    """A plan of the text that nothing is wrong with."""

    name: str
    digest: str


class TextCheck(BaseModel):
    """What is wrong with a text, with line and column."""

    is_valid: bool
    plans: list[TextPlan]
    problems: list[ProblemDetail] = Field(description="The first of them.")
    more_problems: int = Field(description="How many there are beyond those.")


class PreflightForm(BaseModel, extra="forbid"):
    """The answers to the trigger form that preflight looks at."""

    mode: Annotated[str, Field(pattern=f"^({'|'.join(_NAMES)})$", json_schema_extra={"enum": list(_NAMES)})] = (
        DRILL.name
    )
    waves: Names = None
    exclude_servers: Names = None
    point_in_time: Annotated[str | None, Field(max_length=40)] = None
    replace_live_instances: bool = False
    replace_drills: bool = False
    launch: Literal["ahead", "in_waves"] | None = None


class PreflightFindingView(BaseModel):
    """Something that preflight has seen; a `refusal` keeps a run from starting."""

    severity: Literal["refusal", "warning"]
    what: str
    next_step: str
    server_id: str | None
    hostname: str | None
    rule: str


class PreflightLook(BaseModel):
    """What preflight says now; a run looks again when it starts."""

    plan: str
    mode: str
    digest: str
    passed: bool
    needs_approval: bool
    findings: list[PreflightFindingView]
    waves: dict[str, list[str]] = Field(description="The ids of the servers of every wave that the run has.")
    cost_dollars: float | None
    notes: list[str]

    @classmethod
    def of(cls, outcome: PreflightOutcome, reader: GroupReader) -> "PreflightLook":
        """Describe what was found, to who may read some of the plans."""
        result = outcome.result()
        return cls(
            plan=result.plan,
            mode=outcome.purpose.name,
            digest=outcome.shape.digest,
            passed=not outcome.refusals,
            needs_approval=outcome.needs_approval,
            findings=[
                PreflightFindingView(
                    severity=finding.severity,
                    what=reader.told(finding.what),
                    next_step=reader.told(finding.next_step),
                    server_id=finding.server_id,
                    hostname=finding.hostname,
                    rule=finding.rule,
                )
                for finding in result.findings
            ],
            waves={
                wave: [server.server_id for server in servers]
                for wave, servers in outcome.roster.waves.items()
                if wave in outcome.request.waves
            },
            cost_dollars=outcome.cost.dollars if outcome.cost else None,
            notes=[reader.told(note) for note in result.notes],
        )


def plan_checks_router(sources: PlanSources) -> APIRouter:
    """Return the routes."""
    router = APIRouter(
        prefix="/recovery-plans",
        tags=["recovery plans"],
        dependencies=[Depends(refuse_other_origins), Depends(sources.api.access.may_read)],
    )
    reader_now: Any = sources.api.reader()
    plan_of: Any = plan_named(sources)
    look_of: Any = sources.preflight
    slots = BoundedSemaphore(SIDE_BY_SIDE)
    texts = Turns(TEXTS_SIDE_BY_SIDE, "texts are being checked")

    @router.post("/validate", responses=more_responses(415, 503))
    def validate_plan_text(posted: PostedText, reader: Annotated[GroupReader, Depends(reader_now)]) -> TextCheck:
        """Check a text as ``drs validate`` checks a file, beside everything in the plans folder. Saves nothing.

        What the caller may not read counts as not there: no answer says whether there is a plan or group of a name.
        """
        folder = sources.api.plans_folder()
        try:
            with texts.taken():
                found = check_text(posted.text, folder, reader.catalog.library, posted.file, reader.hides_document)
        except (PathRefusedError, TextTooLongError) as error:
            raise RequestRefused(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
        told = found.problems[:MOST_PROBLEMS]
        return TextCheck(
            is_valid=not found.problems,
            plans=[TextPlan(name=runnable.plan.name, digest=runnable.digest) for runnable in found.plans],
            # What is wrong with the text itself was found without what the caller may not read: it names none of it.
            problems=[problem_detail(problem, folder, None if found.is_own(problem) else reader) for problem in told],
            more_problems=len(found.problems) - len(told),
        )

    @router.post(
        "/{name}/preflight",
        dependencies=[Depends(sources.may_preflight)],
        responses=more_responses(404, 409, 415, 502, 503),
    )
    def preflight_without_run(
        form: PreflightForm,
        runnable: Annotated[RunnablePlan, Depends(plan_of)],
        reader: Annotated[GroupReader, Depends(reader_now)],
        look: Annotated[LookWithoutRun, Depends(look_of)],
    ) -> PreflightLook:
        """Take preflight without a run: everything that speaks against one now. Starts nothing and keeps nothing."""
        library = reader.catalog.library
        if disputes := library.disputes_of(runnable.plan.name):
            errors = [problem_detail(problem, reader.catalog.folder, reader) for problem in disputes]
            raise RequestRefused(HTTPStatus.CONFLICT, "other files dispute something of the plan", errors)

        def take() -> PreflightOutcome:
            try:
                return look(runnable, library, form.model_dump(exclude_none=True))
            finally:  # not before: a look that nobody waits for any more goes on
                slots.release()

        if not slots.acquire(blocking=False):
            raise _late(f"{SIDE_BY_SIDE} looks go on already")
        try:
            return PreflightLook.of(within(take, LONGEST_LOOK), reader)
        except PreflightRefused as refusal:
            errors = [ProblemDetail(what=finding) for finding in refusal.findings]
            raise RequestRefused(HTTPStatus.UNPROCESSABLE_ENTITY, "no run starts with this form", errors) from refusal
        except TimeoutError as error:
            raise _late(f"AWS has not told everything in {LONGEST_LOOK:g} s") from error

    return router


def _late(why: str) -> RequestRefused:
    return RequestRefused(
        HTTPStatus.SERVICE_UNAVAILABLE,
        f"{why}: ask again later, or start a run of mode check, which has more time",
        headers={"Retry-After": "30"},
    )
