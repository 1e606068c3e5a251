"""Doctored records of what plans have beside servers: people, steps, networks, boot order, rivals, quotas."""

import ast
import copy
import re
from dataclasses import replace
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.session import Session
from kit.chaos_records import DRILL, FIRST, GOOD, RECOVERY, SECOND, A, B, job, problems, report, state

from benchmarks.chaos.effects import EFFECTS, NEVER_IN_A_RUN, faults_of
from benchmarks.chaos.judge import judge
from benchmarks.chaos.judge_cloud import over_quota
from benchmarks.chaos.listener import Listener
from benchmarks.chaos.record import Heard, Job, Record, Said, read_record, run_key
from benchmarks.chaos.scenarios import SMALL, Approval, Pause, Scenario, Server, Step, Wave, parts_of, scenario

W0, W1 = DRILL.waves


def with_steps(*steps, wave=0, one=DRILL):
    waves = list(one.waves)
    waves[wave] = replace(waves[wave], steps=steps)
    return replace(one, waves=tuple(waves))


def said(verdict="passed", *, steps=(), state=None, **more):
    found = report(verdict, **{name: more.pop(name) for name in ("s_1", "s_2", "s_3") if name in more})
    found["waves"][0]["steps"] = [{"name": name, "state": what} for name, what in steps]
    good = verdict in ("passed", "completed", "completed_with_exceptions")
    return Said(state or ("success" if good else "failed"), found, **more)


def call(operation, *, committed=True, status=200, **request):
    return {"operation": operation, "request": request, "committed": committed, "status": status}


# -- people --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "why"),
    [
        ("refuse", "was answered with no"),
        ("fake", "was only marked as successful"),
        ("silent", "was not answered"),
        ("expire", "was not answered in time"),
    ],
)
def test_a_wave_that_people_did_not_let_go_on_must_not_be_launched(act, why):
    paused = replace(DRILL, waves=(W0, replace(W1, pause=Pause(act))))
    stopped = said("cancelled", s_3="NOT_STARTED")

    assert problems(stopped, FIRST, one=paused) == []
    assert problems(GOOD, FIRST, SECOND, one=paused) == [
        f"job-2 launched wave w1 although w1.pause {why}",
        "the report says passed where the record says cancelled or failed or refused: because",
    ]


def test_a_pause_that_ends_by_itself_holds_nothing_up():
    paused = replace(DRILL, waves=(W0, replace(W1, pause=Pause("expire", "continue"))))

    assert problems(GOOD, FIRST, SECOND, one=paused) == []


def test_a_recovery_that_was_not_approved_must_launch_nothing():
    approved = replace(RECOVERY, approval=Approval(2, "fake"))
    nothing = {"s_1": "NOT_STARTED", "s_2": "NOT_STARTED", "s_3": "NOT_STARTED"}
    mine = job(1, "w0", mode="recovery", s_1="LAUNCHED", s_2="LAUNCHED")

    assert problems(said("failed", **nothing), one=approved) == []
    assert problems(said("failed", s_3="NOT_STARTED"), mine, one=approved) == [
        "job-1 launched wave w0 although preflight.approval_2 was only marked as successful"
    ]


def test_an_answer_of_the_wrong_person_must_not_be_taken():
    assert problems(replace(GOOD, wrongly_taken=("w1.pause",)), FIRST, SECOND) == [
        "w1.pause took the answer of somebody who was not asked"
    ]


# -- steps ---------------------------------------------------------------------------------------------------------

LAMBDA = Step("f", "lambda")
INVOKED = call("Invoke", FunctionName="chaos-1-f")


def test_a_step_that_acts_once_keeps_every_rule():
    command = call("SendCommand", Parameters={"commands": ["echo chaos-1-c"]}, InstanceIds=["i-1", "i-2"])
    steps = (LAMBDA, Step("c", "ssm_command"), Step("a", "ssm_automation"), Step("w", "webhook"), Step("h", "http"))
    started = call("StartAutomationExecution", DocumentName="chaos-1-a", ClientToken="t")
    all_well = said(steps=[(step.name, "succeeded") for step in steps])
    heard = Heard({"chaos-1-w": 1}, {}, {"chaos-1-h": 2})

    assert (
        problems(
            all_well,
            FIRST,
            SECOND,
            one=with_steps(*steps),
            calls=[INVOKED, command, started, started],  # the same token is the same execution
            heard=heard,
        )
        == []
    )


TWICE = {
    "lambda": [call("Invoke", FunctionName="chaos-1-x")] * 2,
    "ssm_command": [call("SendCommand", Parameters={"commands": ["echo chaos-1-x"]}, InstanceIds=["i-1"])] * 2,
    "ssm_automation": [
        call("StartAutomationExecution", DocumentName="chaos-1-x", ClientToken=token) for token in ("t", "u")
    ],
    "webhook": [],
}


@pytest.mark.parametrize("kind", list(TWICE))
def test_a_step_that_was_repeated_is_found_unless_it_may_be(kind):
    done, heard = said(steps=[("x", "succeeded")]), Heard({"chaos-1-x": 2})
    more = {"calls": TWICE[kind], "heard": heard}

    assert problems(done, FIRST, SECOND, one=with_steps(Step("x", kind)), **more) == ["step x acted 2 times"]
    assert problems(done, FIRST, SECOND, one=with_steps(Step("x", kind, repeatable=True)), **more) == []


def test_a_call_that_did_not_arrive_is_no_effect():
    refused = call("Invoke", committed=False, status=429, FunctionName="chaos-1-f")
    done = said(steps=[("f", "succeeded")])

    assert problems(done, FIRST, SECOND, one=with_steps(LAMBDA), calls=[refused, INVOKED]) == []
    assert problems(done, FIRST, SECOND, one=with_steps(LAMBDA), calls=[refused]) == [
        "the report says that step f succeeded, and nothing arrived"
    ]


@pytest.mark.parametrize(
    ("step", "more", "found"),
    [
        (LAMBDA, {"calls": [INVOKED]}, ["step f failed although nothing kept it from going well"]),
        (LAMBDA, {"calls": [call("Invoke", status=None, FunctionName="chaos-1-f")]}, []),
        (Step("f", "webhook"), {"heard": Heard({"chaos-1-f": 1}, {"chaos-1-f": 1})}, []),
        (Step("f", "http"), {}, ["step f failed although nothing kept it from going well"]),
        (Step("f", "wait"), {}, ["step f failed, and all that it does is wait"]),
    ],
)
def test_a_step_fails_only_where_nobody_knows_how_it_went(step, more, found):
    failed = said("failed", steps=[("f", "failed")], s_3="NOT_STARTED")

    assert problems(failed, FIRST, one=with_steps(step), **more) == found


def test_a_step_behind_a_faked_answer_fails_rather_than_to_act():
    paused = replace(DRILL, waves=(W0, replace(W1, pause=Pause("fake"), steps=(Step("f", "http", "before"),))))
    ended = said("failed", steps=[("f", "failed")], s_3="NOT_STARTED")

    assert problems(ended, FIRST, one=paused) == []


def test_a_killed_process_excuses_what_is_sent_once():
    failed = said("failed", steps=[("f", "failed")], s_3="NOT_STARTED", kills=1)

    assert problems(failed, FIRST, one=with_steps(LAMBDA)) == []


def test_a_wave_after_a_broken_step_must_not_be_launched_and_one_after_a_tolerated_failure_is_an_exception():
    lost = [call("Invoke", status=None, FunctionName="chaos-1-f")]
    broken = said("failed", steps=[("f", "failed")])
    tolerated = said("completed_with_exceptions", steps=[("f", "failed")])

    assert problems(broken, FIRST, SECOND, one=with_steps(LAMBDA), calls=lost) == [
        "job-2 launched wave w1 although a wave before it had failed"
    ]
    before = with_steps(replace(LAMBDA, side="before"))
    assert "job-1 launched wave w0 although step f before it had failed" in problems(broken, FIRST, one=before)
    goes_on = with_steps(replace(LAMBDA, on_failure="continue"))
    assert problems(tolerated, FIRST, SECOND, one=goes_on, calls=lost) == []
    assert problems(said(steps=[("f", "failed")]), FIRST, SECOND, one=goes_on, calls=lost) == [
        "the report says passed where the record says completed_with_exceptions: because"
    ]


def test_a_step_whose_turn_had_not_come_is_found():
    failed = job(1, "w0", s_1="FAILED", s_2="LAUNCHED")
    ended = said("failed", s_1="FAILED", s_3="NOT_STARTED")

    assert problems(ended, failed, one=with_steps(LAMBDA), calls=[INVOKED]) == [
        "step f acted although wave w0 was not launched"
    ]
    assert problems(ended, failed, one=with_steps(replace(LAMBDA, side="before"), wave=1), calls=[INVOKED]) == [
        "step f acted although a wave before w1 had failed"
    ]


def test_a_step_behind_an_approval_that_was_not_given_is_found():
    faked = Step("ask", "approval", "before", act="fake")
    first, behind = replace(LAMBDA, name="e", side="before"), replace(LAMBDA, side="before")
    ended = said("failed", s_1="NOT_STARTED", s_2="NOT_STARTED", s_3="NOT_STARTED")
    both = [INVOKED, call("Invoke", FunctionName="chaos-1-e")]

    assert problems(ended, one=with_steps(first, faked, behind), calls=both) == [
        "step f acted although w0.ask was only marked as successful"
    ]


def test_the_listener_counts_what_it_hears_and_what_it_leaves_without_an_answer():
    listener = Listener({"a": 1, "b": 2})
    try:
        assert [listener.hear("a"), listener.hear("a")] == [False, True]
        assert [listener.ask("b"), listener.ask("b"), listener.ask("b")] == [False, False, True]
        assert (listener.heard, listener.unanswered, listener.ready) == ({"a": 2}, {"a": 1}, {"b": 1})
    finally:
        listener.close()


# -- the cloud -----------------------------------------------------------------------------------------------------


def test_a_part_of_a_drills_network_that_is_left_over_is_found_unless_the_drill_still_waits():
    left = {"vpc-1": run_key(DRILL), "vpc-2": "another"}
    asks = replace(DRILL, waves=(W0, replace(W1, pause=Pause("silent"))))

    assert problems(GOOD, FIRST, SECOND, networks=left) == ["vpc-1 of the drill's network is left over"]
    assert problems(Said("running", waits_for_person=True), FIRST, one=asks, networks=left) == []


@pytest.mark.parametrize(
    ("one", "subnet", "found"),
    [
        (replace(DRILL, network="isolated"), "subnet-drill", []),
        (
            replace(DRILL, network="isolated"),
            "subnet-prod",
            ["s-3 of this drill was launched in production's network, subnet-prod"],
        ),
        (
            DRILL,
            "subnet-drill",
            ["s-3 of this drill was launched in a network that is not production's, subnet-drill"],
        ),
    ],
)
def test_an_instance_in_the_wrong_network_is_found(one, subnet, found):
    second = copy.deepcopy(SECOND)
    second["timeline"]["s-3"]["landed"] = {"subnet_id": subnet, "instance_type": "m5.large"}
    before = state()
    before["accounts"]["1"]["us-west-2"]["subnets"] = {"prod": "subnet-prod"}

    assert judge(one, GOOD, read_record(state(FIRST, second), before)) == found


def test_a_launch_before_the_stage_above_is_ready_is_found():
    staged = replace(DRILL, waves=(replace(W0, servers=(A, replace(B, order=2))), W1))
    below = job(2, "w0", s_2="LAUNCHED")
    third = job(3, "w1", s_3="LAUNCHED")

    assert problems(GOOD, job(1, "w0", s_1="LAUNCHED"), below, third, one=staged) == []
    assert problems(GOOD, FIRST, SECOND, one=staged) == ["job-1 launched order 2 of wave w0 although s-1 was not ready"]
    late = job(1, "w0", s_1="LAUNCHED") | {"endDateTime": "2026-01-01T00:02:30Z"}
    assert problems(GOOD, late, below, third, one=staged) == [
        "job-2 launched order 2 of wave w0 although s-1 was not ready"
    ]
    failed = said("failed", s_1="FAILED", s_3="NOT_STARTED")
    assert problems(failed, job(1, "w0", s_1="FAILED"), below, one=staged) == [
        "job-2 launched order 2 of wave w0 although 1 critical servers before them had failed"
    ]


def test_a_wave_that_did_not_wait_its_delay_is_found():
    assert problems(GOOD, FIRST, SECOND, one=replace(DRILL, waves=(W0, replace(W1, delay=10)))) == []
    assert problems(GOOD, FIRST, SECOND, one=replace(DRILL, waves=(W0, replace(W1, delay=30)))) == [
        "wave w1 was launched 10.0 s after those before it, and not 30 s"
    ]


def test_a_server_that_was_not_given_its_fallback_is_found():
    launch = (("instance_type", "r5.large"), ("fallback", {"instance_types": ["r5a.large"]}))
    fault = {"do": "no_capacity", "instance_type": "r5.large", "servers": ["s-3"]}
    one = replace(DRILL, waves=(W0, replace(W1, launch=launch)), faults=(fault,))
    failed, again = job(2, "w1", s_3="FAILED"), job(3, "w1", "2", s_3="LAUNCHED")
    again["timeline"]["s-3"]["landed"] = {"subnet_id": "x", "instance_type": "r5a.large"}
    before = state()
    before["accounts"]["1"]["us-west-2"]["subnets"] = {"prod": "x"}

    assert judge(one, GOOD, read_record(state(FIRST, failed, again), before)) == []
    assert problems(said("failed", s_3="FAILED"), FIRST, failed, one=one) == [
        "s-3 was not launched as r5a.large although there was no capacity for r5.large"
    ]


def test_what_is_above_a_quota_is_found():
    def jobs(*sizes, end="2026-01-01T00:05:00Z"):
        return tuple(
            Job(f"job-{number}", SMALL.id, True, f"2026-01-01T00:0{number}:00Z", end, frozenset(map(str, range(size))))
            for number, size in enumerate(sizes)
        )

    assert over_quota(Record((), {}, {}, jobs=jobs(8, 8, 4))) == []
    assert over_quota(Record((), {}, {}, jobs=jobs(1, 1, 1, 1, end="2026-01-01T00:01:00Z"))) == []
    assert over_quota(Record((), {}, {}, jobs=jobs(9, 1, 1, 1))) == [
        "job-0 holds 9 servers, and account 222233334444 allows 8",
        "4 jobs ran in account 222233334444 at 2026-01-01T00:03:00Z, which allows 3",
    ]
    assert over_quota(Record((), {}, {}, jobs=jobs(8, 8, 8))) == [
        "24 servers were in jobs of account 222233334444 at 2026-01-01T00:02:00Z, of 20"
    ]


# -- a recovery that overtakes a drill -----------------------------------------------------------------------------

OVERTAKEN = replace(DRILL, rival_after=5.0)


def taken(number):
    return job(number, "w0", mode="recovery", run=run_key(OVERTAKEN.rival), s_1="LAUNCHED", s_2="LAUNCHED")


def test_a_drill_that_is_overtaken_is_superseded_and_one_that_is_not_is_judged_as_ever():
    superseded = said("superseded", s_3="NOT_STARTED")

    assert problems(superseded, FIRST, taken(3), one=OVERTAKEN) == []
    assert problems(GOOD, FIRST, SECOND, one=OVERTAKEN) == []
    assert problems(GOOD, FIRST, SECOND, taken(3), one=OVERTAKEN) == [
        "the report says passed where the record says superseded: because"
    ]
    assert problems(superseded, FIRST, SECOND, one=OVERTAKEN) == [
        "the report says superseded where the record says passed: because"
    ]


def test_a_recovery_after_the_drills_last_look_changes_nothing_of_its_verdict():
    cleaned = job(3, "w0", s_1="LAUNCHED") | {"type": "TERMINATE"}

    assert problems(GOOD, FIRST, SECOND, cleaned, taken(4), one=OVERTAKEN) == []


def test_a_drill_that_destroys_what_the_recovery_launched_is_found():
    rival = OVERTAKEN.rival
    mine = [taken(1), job(2, "w1", mode="recovery", run=run_key(rival), s_3="LAUNCHED")]
    found = state(*mine)
    found["accounts"]["1"]["us-west-2"]["ec2_instances"]["i-1-s_1"] = "terminated"

    assert judge(rival, Said("success", report("completed")), read_record(found, found)) == [
        "the live instance i-1-s_1 of s-1 was destroyed"
    ]


# -- every operation with an effect --------------------------------------------------------------------------------

CALLS = Path("plugins/drs_provider/hooks")
READS = ("describe_", "get_", "list_", "search_", "simulate_", "select_", "head_", "batch_get_")
NOT_MEANT = {"associate_security_group_vpc", "disassociate_security_group_vpc", "modify_security_group_rules"}
"""What a name made of parts, ``<verb>_security_group_<direction>``, could also be."""


def operations():
    """Every operation with an effect of the services that runs speak to, by the name of its method."""
    found = {}
    for service in ("drs", "ec2", "ssm", "lambda", "sns", "iam", "service-quotas", "sts"):
        for operation in Session().get_service_model(service).operation_names:
            if not (name := xform_name(operation)).startswith(READS):
                found.setdefault(name, set()).add((service, operation))
    return found


def named_in(file):
    """Every text of a module that could name a method of a client; of texts with holes a pattern."""
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Attribute(attr=name):
                yield re.escape(name)
            case ast.Constant(value=str() as text):
                yield re.escape(text)
            case ast.JoinedStr(values=parts) if "_" in (
                fixed := "".join(p.value for p in parts if isinstance(p, ast.Constant))
            ) and re.fullmatch(r"[a-z_]{5,}", fixed):
                yield "".join(re.escape(p.value) if isinstance(p, ast.Constant) else "[a-z]+" for p in parts)


def test_every_operation_with_an_effect_that_the_product_sends_is_known_to_the_campaign():
    by_name = operations()
    sent = {
        name
        for file in CALLS.glob("*.py")
        for pattern in named_in(file)
        for name in ([pattern] if pattern in by_name else [n for n in by_name if re.fullmatch(pattern, n)])
    } - NOT_MEANT
    known = {xform_name(operation) for _, operation in [*EFFECTS, *NEVER_IN_A_RUN]}

    assert len(sent) > 30
    assert sent - known == set(), "give them a line in benchmarks/chaos/effects.py"
    # Airflow's own hook publishes to SNS for us.
    assert known - sent == {"publish"}


def test_an_operation_loses_answers_only_in_plans_whose_runs_send_it():
    from random import Random

    def struck(parts):
        return {
            (fault["service"], fault["operation"])
            for seed in range(200)
            for fault in faults_of(Random(seed), parts, "s-*")
        }

    assert struck(set(EFFECTS.values())) == set(EFFECTS)
    assert struck(set()) == {effect for effect, part in EFFECTS.items() if part == "always"}
    isolated = Scenario(1, "drill", (Wave("w0", (Server("s-1", "a"),)),), (), (), network="isolated")
    assert parts_of(isolated) == {"leftovers", "network"}


def test_a_campaign_of_five_hundred_has_everything_and_mostly_small_plans():
    many = [scenario(seed) for seed in range(1, 501)]
    acts = {(q.task_id.split(".")[-1].split("-")[-1], q.act) for scenario in many for q in scenario.questions}

    assert {kill.victim for scenario in many for kill in scenario.kills} >= {"machine", "task", "worker", "scheduler"}
    assert {step.kind for scenario in many for step in scenario.steps} == {
        "ssm_command", "ssm_automation", "lambda", "webhook", "http", "wait", "approval"
    }  # fmt: skip
    assert {act for _, act in acts} == {"agree", "refuse", "fake", "silent", "expire"}
    assert sum(scenario.network == "isolated" for scenario in many) > 50
    assert sum(scenario.rival is not None for scenario in many) > 10
    assert sum(scenario.account is SMALL for scenario in many) > 50
    assert sum(any(len(wave.stages) > 1 for wave in scenario.waves) for scenario in many) > 50
    assert sum(bool(scenario.waves[0].launch) for scenario in many) > 20
    assert max(len(scenario.servers) for scenario in many) > 150
    assert sum(len(scenario.servers) for scenario in many) / len(many) < 35
