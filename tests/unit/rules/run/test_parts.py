"""A plan as a step of another one: the run that is started, what it inherits, and what counts as proof."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.exceptions import StepFailed
from drs_provider.plan.loader import read_folder
from drs_provider.rules.launch.tags import run_key
from drs_provider.rules.run.approvals import Policy
from drs_provider.rules.run.handover import InheritedApproval, PlanRunOutcome, PreflightResult, RecordedAnswer
from drs_provider.rules.run.parts import (
    Inheritance,
    ParentNow,
    approvals_given,
    approved_before,
    conf_of,
    parent_problems,
    part_run_id,
    plan_run_start,
    runs_plan,
    start_problems,
    without_lost_approvals,
)
from drs_provider.steps.plan_run import judged

NOW = datetime(2026, 11, 30, 5, tzinfo=UTC)
PARENT = ("drs.all", "manual__1", "before_waves.run-shop")
ANN = InheritedApproval(dag_id="drs.all", run_id="manual__1", task_id="preflight.approval", by="ann", at=NOW)
BOB = ANN.model_copy(update={"by": "bob", "task_id": "preflight.approval_2"})
DARK = Inheritance("recovery", "the region is dark", "latest", triggered_by="ada", approvals=(ANN, BOB))


def started(**changes):
    inherited = Inheritance(**{**vars(DARK), **changes})
    return plan_run_start("shop", parent_plan="all", parent=PARENT, inherited=inherited)


def test_a_step_of_a_run_starts_one_run_and_no_other_run_has_its_name():
    start = started()

    assert start.run_id == part_run_id("all", run_key("drs.all", "manual__1"), "before_waves.run-shop")
    assert start.run_id.startswith("drs__all__run-shop__")
    assert started(mode="drill", approvals=()).run_id == start.run_id
    others = {
        plan_run_start("shop", parent_plan="all", parent=parent, inherited=DARK).run_id
        for parent in [("drs.all", "manual__2", PARENT[2]), ("drs.all", "manual__1", "web.run-shop")]
    }
    assert len({start.run_id, *others}) == 3


def test_what_goes_on_with_a_run_of_another_airflow_goes_on_with_its_parts():
    key = run_key("drs.all", "scheduled__old")
    first = plan_run_start("shop", parent_plan="all", parent=("drs.all", "scheduled__old", PARENT[2]), inherited=DARK)

    second = started(continue_run=key)

    assert second.continue_run == run_key("drs.shop", first.run_id)
    assert second.run_id != first.run_id


def test_parts_of_two_airflows_have_two_names_and_a_takeover_finds_those_of_the_first():
    first, second = started(installation="x"), started(installation="y")

    taken_over = started(
        installation="y", continue_run=run_key("drs.all", "manual__1", "x"), continued_installation="x"
    )

    assert len({started().run_id, first.run_id, second.run_id}) == 3
    assert taken_over.run_id == second.run_id
    assert taken_over.continue_run == run_key("drs.shop", first.run_id, "x")


def test_the_parameters_are_what_is_inherited_and_the_proof():
    assert conf_of(started(), {"signature": "x"}) == {
        "mode": "recovery",
        "reason": "the region is dark",
        "point_in_time": "latest",
        "started_by": {"signature": "x"},
    }


HERE = ("drs.shop", started().run_id)
FORM = {
    "mode": "recovery",
    "reason": "the region is dark",
    "point_in_time": "latest",
    "waves": ["database", "web"],
    "exclude_servers": [],
    "replace_live_instances": False,
}
STEP = "step before_waves.run-shop of plan all, run manual__1"
CANNOT = "started_by: this run says that a step of another plan has started it, and cannot prove it:"
ONLY = "Only such a step writes started_by: start the plan without it"

FORGED = {
    "what was started": ({}, {}, []),
    "no waves means all": ({}, {"waves": None}, []),
    "a person": (
        {"run_type": "manual"},
        {},
        [f"{CANNOT} the proof is of {STEP}, and a person has started this run. {ONLY}"],
    ),
    "a schedule": (
        {"run_type": "scheduled"},
        {},
        [f"{CANNOT} the proof is of {STEP}, and a schedule has started this run. {ONLY}"],
    ),
    "another run": (
        {"run": ("drs.shop", "drs__all__run-shop__other")},
        {},
        [f"{CANNOT} the proof of {STEP} is for run {HERE[1]} of drs.shop. {ONLY}"],
    ),
    "another plan": (
        {"run": ("drs.mail", HERE[1])},
        {},
        [f"{CANNOT} the proof of {STEP} is for run {HERE[1]} of drs.shop. {ONLY}"],
    ),
    "another mode": ({}, {"mode": "drill"}, [f"mode is 'drill', and {STEP} has handed on 'recovery'"]),
    "another reason": (
        {},
        {"reason": "for fun"},
        [f"reason is 'for fun', and {STEP} has handed on 'the region is dark'"],
    ),
    "another instant": (
        {},
        {"point_in_time": "2026-01-01T00:00:00Z"},
        [f"point_in_time is '2026-01-01T00:00:00Z', and {STEP} has handed on 'latest'"],
    ),
    "another run to continue": (
        {},
        {"continue_run": "a" * 32},
        [f"continue_run is '{'a' * 32}', and {STEP} has handed on ''"],
    ),
    "some waves": ({}, {"waves": ["web"]}, ["waves: a plan that is a step of another one runs all its waves"]),
    "what was not handed on": (
        {},
        {"exclude_servers": ["db1"], "replace_live_instances": True},
        [
            "exclude_servers is not handed on to plans that are steps: start this plan by itself for that",
            "replace_live_instances is not handed on to plans that are steps: start this plan by itself for that",
        ],
    ),
}


@pytest.mark.parametrize(("run", "form", "said"), FORGED.values(), ids=FORGED)
def test_a_run_is_what_the_step_has_started_or_is_refused_by_name(run, form, said):
    facts = {"run": HERE, "run_type": "operator_triggered", **run}

    assert [*start_problems(started(), params={**FORM, **form}, waves=["database", "web"], **facts)] == said


def checked(**changes):
    facts = {"plan": "all", "digest": "d", "passed": True, "mode": "recovery", "reason": "the region is dark"}
    return PreflightResult(**{**facts, "checked_at": NOW, "needs_approval": True, "waves": {}, **changes})


def answer(by="ann", chosen="Approve"):
    return RecordedAnswer(chosen=chosen, by=by, at=NOW, checked_at=NOW)


BEHIND = {
    "state": "running",
    "mode": "recovery",
    "preflight": checked(),
    "answers": {ANN: answer(), BOB: answer("bob")},
    "runs_this": True,
}
OVER = "so nothing is inherited from it: start this plan by itself, drs run start shop --mode recovery"
RUN = "run manual__1 of plan all"

STANDS = {
    "all of it": ({}, []),
    "its plan cannot be read now": ({"runs_this": None}, []),
    "it is over": ({"state": "success"}, [f"{RUN}, which has started this one, is not running (success), {OVER}"]),
    "it has failed": ({"state": "failed"}, [f"{RUN}, which has started this one, is not running (failed), {OVER}"]),
    "there is none": ({"state": None}, [f"{RUN}, which has started this one, is not there, {OVER}"]),
    "it is a drill": ({"mode": "drill"}, [f"{RUN} is a drill, and hands on a recovery"]),
    "it is a drill, for nobody said": ({"mode": None}, [f"{RUN} is a drill, and hands on a recovery"]),
    "its plan has no such step": (
        {"runs_this": False},
        ["plan all has no step before_waves.run-shop that runs this plan"],
    ),
    "no preflight": ({"preflight": None}, [f"preflight of {RUN} has not passed as a recovery"]),
    "preflight refused it": (
        {"preflight": checked(passed=False)},
        [f"preflight of {RUN} has not passed as a recovery"],
    ),
    "preflight of a drill": (
        {"preflight": checked(mode="drill")},
        [f"preflight of {RUN} has not passed as a recovery"],
    ),
    "another reason": (
        {"preflight": checked(reason="for fun")},
        [f"{RUN} has another reason or point in time than it has handed on"],
    ),
    "approvals that are lost refuse nothing": ({"answers": {}}, []),
}


@pytest.mark.parametrize(("now", "said"), STANDS.values(), ids=STANDS)
def test_the_run_that_started_it_stands_behind_it_now_or_it_is_refused(now, said):
    assert [*parent_problems(started(), ParentNow(**{**BEHIND, **now}))] == said


@pytest.mark.parametrize(
    ("answers", "standing"),
    [
        ({ANN: answer(), BOB: answer("bob")}, [ANN, BOB]),
        ({ANN: answer()}, [ANN]),
        ({ANN: answer(chosen="Reject"), BOB: answer("bob")}, [BOB]),
        ({ANN: answer("eve"), BOB: answer("bob")}, [BOB]),
        ({}, []),
    ],
    ids=["all stand", "one is gone", "one became a no", "one is of somebody else now", "none"],
)
def test_an_approval_that_is_not_on_record_any_more_is_not_inherited_and_the_plan_asks_its_own_people(
    answers, standing
):
    start = without_lost_approvals(started(), ParentNow(**{**BEHIND, "answers": answers}))

    assert list(start.approvals) == standing
    assert start.model_copy(update={"approvals": started().approvals}) == started()
    assert approved_before(policy("ann", "bob", required=2), start) is (len(standing) == 2)


def policy(*approvers, required=1, always=True, four_eyes=True):
    return Policy(required, approvers, timedelta(minutes=30), always=always, four_eyes=four_eyes)


@pytest.mark.parametrize(
    ("asked", "by", "counts"),
    [
        (policy("ann"), "ada", True),
        (policy("ann", "bob", required=2), "ada", True),
        (policy("cyd"), "ada", False),
        (policy("ann", "cyd", required=2), "ada", False),
        (policy("ann", "bob", "cyd", required=3), "ada", False),
        (policy("ann", "bob", required=2), "Ann", False),
        (policy("ann"), "bob", True),
        (policy(always=False, four_eyes=False), "ada", False),
        (None, "ada", False),
    ],
    ids=[
        "one of them",
        "both",
        "somebody else",
        "one of two",
        "two of three",
        "one has started it all",
        "the other has started it all",
        "old data asks for itself",
        "nobody is asked",
    ],
)
def test_approvals_count_as_answers_to_the_part_s_own_question(asked, by, counts):
    assert approved_before(asked, started(triggered_by=by)) is counts
    assert approved_before(asked, None) is False


def test_only_approvals_are_handed_on():
    left = {"a": answer(), "b": answer("bob", "Reject"), "c": None, "d": RecordedAnswer(chosen=None, by=None, at=NOW)}

    assert [(found.task_id, found.by) for found in approvals_given(("drs.all", "manual__1"), left)] == [("a", "ann")]


@pytest.mark.parametrize(
    ("step", "found"),
    [("plan: shop", True), ("plan: mail", False)],
)
def test_a_plan_is_asked_for_its_step(tmp_path, step, found):
    wait = "waves: [{name: a, before: [{kind: wait, name: rest, for: 1s}]}]"
    parts = "".join(f"---\nkind: RecoveryPlan\nname: {name}\n{wait}\n" for name in ("shop", "mail"))
    text = f"kind: RecoveryPlan\nname: all\n{wait}\nbefore: [{{kind: plan, name: run-shop, {step}}}]\n{parts}"
    (tmp_path / "x.yaml").write_text(text)

    assert runs_plan(read_folder(tmp_path), started()) is found
    (tmp_path / "x.yaml").write_text(parts)
    assert runs_plan(read_folder(tmp_path), started()) is None


def test_a_step_that_was_renamed_since_the_run_began_refuses_nothing(tmp_path):
    wait = "waves: [{name: a, before: [{kind: wait, name: rest, for: 1s}]}]"
    whole = f"kind: RecoveryPlan\nname: all\n{wait}\nbefore: [{{kind: plan, name: NAME, plan: shop}}]\n---\n"
    (tmp_path / "x.yaml").write_text(f"{whole.replace('NAME', 'run-shop')}kind: RecoveryPlan\nname: shop\n{wait}\n")
    began_with = read_folder(tmp_path).plans["all"].digest
    (tmp_path / "x.yaml").write_text(f"{whole.replace('NAME', 'shop-now')}kind: RecoveryPlan\nname: shop\n{wait}\n")
    library = read_folder(tmp_path)

    assert runs_plan(library, started(), digest=began_with) is None
    assert runs_plan(library, started(), digest=library.plans["all"].digest) is False


@pytest.mark.parametrize(
    ("commit", "why"),
    [
        ("", None),
        ("waiting", None),
        ("committed", None),
        ("undecided", None),
        ("rolled_back", "rolled back"),
        ("rolling_back", "being rolled back"),
        ("incomplete", "rolled back in part"),
    ],
)
def test_a_part_that_was_rolled_back_is_not_up(commit, why):
    found = PlanRunOutcome(
        plan="shop",
        dag_id="drs.shop",
        run_id="r",
        mode="recovery",
        verdict="completed",
        reason="All were launched.",
        report="/r.html",
        commit=commit,
    )

    if why is None:
        assert judged(found, "success", mode="recovery").part == found
        return
    with pytest.raises(StepFailed) as failed:
        judged(found, "success", mode="recovery")
    assert str(failed.value).startswith(
        f"the recovery of plan shop is {why}, so it is not up: All were launched. Run r, report: /r.html. To start "
        "it again: drs run start shop; drs run status shop "
    )
