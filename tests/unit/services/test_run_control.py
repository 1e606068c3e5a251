"""The verbs that steer a run, over runs that took place: what each is allowed, what it changes, what it answers."""

from dataclasses import replace

import pytest
from drs_provider.exceptions import DrsProviderError, RunRefused, UsageError
from drs_provider.rules.launch.tags import short_run_id
from drs_provider.rules.run.handover import GivenOrders, PlanRunStart, RunOrder
from drs_provider.services.airflow_api import AirflowError, AirflowUnreachable, DagRunRecord
from drs_provider.services.run_control import Decision, RunControl, RunStart
from kit.in_memory_airflow import ASKED_AT, InMemoryAirflow
from kit.recorded_runs import recorded


def known(name):
    """A recorded run; of a drill called ``….-recovery`` what a recovery would have left."""
    if not name.endswith("-recovery"):
        return recorded(name)
    run = recorded(name.removesuffix("-recovery"))
    found = {**run.documents["preflight.check", "preflight"], "mode": "recovery"}
    documents = {**run.documents, ("preflight.check", "preflight"): found}
    return replace(run, documents=documents, conf={"mode": "recovery"})


def steered(name, verb, *arguments):
    """Apply a verb to a recorded run; return the Airflow with what was changed, and the answer."""
    airflow = InMemoryAirflow.of(known(name))
    return airflow, getattr(RunControl(airflow), verb)("shop", *arguments).message


def short(airflow):
    return short_run_id("drs.shop", airflow.records[0].run_id)


def recorded_order(kind):
    return ("record", "finish.report", kind)


def order(kind, *tasks):
    return [("keep", task, kind) for task in tasks]


DONE = [
    pytest.param(
        ("launching", "cancel", None, "why"),
        [
            *order("cancel", "web.start_recovery", "database.start_recovery", "database.recovery_job"),
            recorded_order("cancel"),
            ("note", "cancelled by ada: why"),
        ],
        "RUN of shop is cancelled, and will end as failed in Airflow; web: will not start; database: no further job is "
        "started; DRS cannot cancel a job, so what runs is watched to its end; then a drill is cleaned up, and the "
        "report is written",
        id="a cancel orders what has not begun to stay so, and watches what has",
    ),
    pytest.param(
        ("waiting-for-approval", "cancel", None, None),
        [
            *order("cancel", "database.start_recovery", "web.start_recovery"),
            recorded_order("cancel"),
            ("note", "cancelled by ada"),
            ("mark", "preflight.approval", "skipped"),
        ],
        "RUN of shop is cancelled, and will end as failed in Airflow; database and web: will not start; then a drill "
        "is cleaned up, and the report is written",
        id="a cancel passes over an open question",
    ),
    pytest.param(
        ("waiting-in-a-pause", "skip", "web", None, "not tonight"),
        [
            *order("skip", "web.start_recovery"),
            recorded_order("skip"),
            ("note", "wave web skipped by ada: not tonight"),
            ("mark", "web.pause", "skipped"),
        ],
        "wave web is skipped when its turn comes",
        id="a skip passes over the pause of its wave",
    ),
    pytest.param(
        ("cancelled-at-once", "retry", "database", None, None),
        [
            *order("none", "database.start_recovery", "web.start_recovery", "database.recovery_job"),
            ("clear", "database.start_recovery"),
            recorded_order("retry"),
            ("note", "wave database retried by ada"),
        ],
        "wave database runs again: servers that are up are kept, the others are launched; then web",
        id="a retry takes orders back",
    ),
    pytest.param(
        ("stopped", "retry", "web", None, None),
        [
            *order("none", "web.start_recovery", "web.recovery_job"),
            ("clear", "web.pause", "web.start_recovery"),
            recorded_order("retry"),
            ("note", "wave web retried by ada"),
        ],
        "wave web runs again: servers that are up are kept, the others are launched",
        id="a retry asks again where a person stopped the run",
    ),
    pytest.param(
        ("stopped", "go_on", "web", None, "the desk  is\nstaffed by hand"),
        [
            *order("continue", "web.pause", "web.start_recovery", "web.recovery_job"),
            ("clear", "web.pause", "web.start_recovery"),
            recorded_order("continue"),
            ("note", "continued past failed wave web by ada: the desk is staffed by hand"),
        ],
        "wave web is left out: nothing of it is launched; nothing comes after it",
        id="a wave that a person stopped is passed over",
    ),
    pytest.param(
        ("failed-recovery", "go_on", "database", None, "web first"),
        [
            *order("continue", "database.start_recovery", "database.recovery_job"),
            ("clear", "database.recovery_job"),
            recorded_order("continue"),
            ("note", "continued past failed wave database by ada: web first"),
        ],
        "wave database is left as it is, 2 of 3 servers launched; then web",
        id="a wave that launched a part is judged as it is",
    ),
    pytest.param(
        ("steps-failed-recovery", "go_on", "database", None, "promoted by hand"),
        [
            *order("continue", "database.promote"),
            ("clear", "database.promote"),
            recorded_order("continue"),
            ("note", "continued past failed wave database by ada: promoted by hand"),
        ],
        "step promote of wave database is left out; then web",
        id="a failed step is left out",
    ),
    pytest.param(
        ("launching", "pause", None),
        [("pause",)],
        "shop is paused: nothing new starts, no wave, no clean-up, no scheduled drill. DRS jobs of database continue "
        "and are judged after the resume; Airflow pauses plans, not runs: another run of it waits too. To continue: "
        "drs run resume shop",
        id="a pause says what goes on",
    ),
]


@pytest.mark.parametrize(("asked", "changed", "message"), DONE)
def test_a_verb_changes_what_it_must_and_says_what_that_means(asked, changed, message):
    airflow, answered = steered(*asked)

    assert answered.replace(airflow.records[0].run_id, "RUN").replace(short(airflow), "ID") == message
    assert airflow.changed == changed


REFUSED = [
    (("failed", "cancel", None, None), "cannot cancel RUN of shop: it is over, failed"),
    (("passed", "pause", None), "cannot pause RUN of shop: it is over, passed"),
    (
        ("launching", "skip", "database", None, None),
        "wave database cannot be skipped now (launching): only a wave that has not started can",
    ),
    (
        ("one-wave", "retry", "database", None, None),
        "wave database cannot be retried now (skipped): only a wave that has failed can",
    ),
    (
        ("failed", "retry", "web", None, None),
        "wave web has not failed, it was not started: retry database instead, this wave comes after it",
    ),
    (("refused", "retry", "web", None, None), "wave web has not failed, it was not started"),
    (
        ("cancelled-on-the-way", "retry", "database", None, None),
        (
            "the drill RUN is over, and its clean-up has terminated the 1 server that wave database had launched: "
            "start a new drill, drs run start shop --wave database"
        ),
    ),
    (
        ("failed", "go_on", "database", None, "why"),
        "the drill RUN is over and cleaned up: start a new drill, drs run start shop",
    ),
    (
        ("failed-recovery", "go_on", "web", None, "why"),
        "wave web has not failed, it was not started: continue past database instead, this wave comes after it",
    ),
    (
        ("launching", "go_on", "database", None, "why"),
        "cannot continue past wave database now (launching): only past a wave that has failed",
    ),
    (
        ("superseded", "go_on", "web", None, "why"),
        (
            "cannot continue past wave web: a recovery has taken the servers of this drill. Wait for the recovery, "
            "then start a new drill"
        ),
    ),
    (
        ("failed-recovery", "go_on", "database", None, " "),
        "say why the run shall go on past a failed wave: the reason is shown in the report",
    ),
    (("launching", "answer", None, Decision("Approve")), "RUN of shop has no pending approval"),
    (("launching", "end_kept", None), "no drill of shop is kept for people now: drs run status shop ID"),
]


@pytest.mark.parametrize(("asked", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_the_state_of_a_run_does_not_allow_is_refused_and_changes_nothing(asked, message):
    name, verb, *arguments = asked
    airflow = InMemoryAirflow.of(known(name))

    with pytest.raises(DrsProviderError) as caught:
        getattr(RunControl(airflow), verb)("shop", *arguments)

    assert str(caught.value).replace(airflow.records[0].run_id, "RUN").replace(short(airflow), "ID") == message
    assert airflow.changed == []


def test_a_pending_approval_is_answered():
    airflow, answered = steered("waiting-for-approval", "answer", None, Decision("Reject", comment="not now"))

    assert answered == "preflight.approval: Reject"
    assert airflow.changed == [
        ("answer", "preflight.approval", "Reject"),
        ("note", "preflight.approval answered Reject by ada: not now"),
    ]


def test_a_start_sends_what_differs_from_the_form():
    airflow = InMemoryAirflow.of(recorded("passed"))

    RunControl(airflow).start("shop", RunStart("drill", reason="try", waves=["web"]))

    assert airflow.changed == [("trigger", {"mode": "drill", "reason": "try", "waves": ["web"]})]


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (RunStart("recovery"), "a recovery brings production up: confirm it with the plan's name, shop"),
        (RunStart("drill", waves=["wbe"]), "no wave called 'wbe' (did you mean 'web'?)"),
        (
            RunStart("drill", replace_live_instances=True),
            (
                "replace_live_instances is for recoveries: a drill never terminates a live recovered "
                "instance. Switch it "
                "off, and leave out the servers that have one (exclude_servers)"
            ),
        ),
    ],
)
def test_a_start_that_lacks_something_is_wrong_use(start, message):
    with pytest.raises(UsageError) as caught:
        RunControl(InMemoryAirflow.of(recorded("passed"))).start("shop", start)

    assert str(caught.value) == message


def test_a_recovery_starts_although_a_drill_goes_on_and_a_drill_does_not():
    airflow = InMemoryAirflow.of(recorded("launching"))
    control = RunControl(airflow)

    with pytest.raises(RunRefused, match=r"and drills of a plan never overlap"):
        control.start("shop", RunStart("drill"))
    control.start("shop", RunStart("recovery", confirm="shop", reason="fire"))

    assert [verb for verb, *_ in airflow.changed] == ["trigger"]


def test_a_second_recovery_beside_one_that_goes_on_is_refused_with_its_link():
    airflow = InMemoryAirflow.of(recorded("launching"))
    airflow.records = [
        DagRunRecord("drs.shop", "manual__2026-01-01T00:00:00+00:00", "running", conf={"mode": "recovery"}),
        *airflow.records,
    ]

    with pytest.raises(RunRefused) as caught:
        RunControl(airflow).start("shop", RunStart("recovery", confirm="shop", reason="fire"))

    run_id = "manual__2026-01-01T00:00:00+00:00"
    one = short_run_id("drs.shop", run_id)
    assert str(caught.value) == (
        f"shop has a recovery that is not over, {run_id}: {airflow.address}/dags/drs.shop/runs/"
        "manual__2026-01-01T00%3A00%3A00%2B00%3A00. A second one would launch the same servers again, and DRS "
        f"terminates what the first one recovered: watch it (drs run status shop {one}), retry its failed wave (drs "
        f"run retry shop WAVE {one}), or cancel it (drs run cancel shop {one})"
    )
    assert airflow.changed == []


@pytest.mark.parametrize("mode", ["drill", "recovery", "check"])
def test_a_check_starts_beside_every_run(mode):
    airflow = InMemoryAirflow.of(replace(recorded("launching"), conf={"mode": mode}))

    RunControl(airflow).start("shop", RunStart(mode="check"))

    assert airflow.changed == [("trigger", {"mode": "check"})]


@pytest.mark.parametrize(
    "start", [RunStart("drill"), RunStart("recovery", confirm="shop", reason="dark")], ids=["drill", "recovery"]
)
def test_nothing_waits_for_a_check(start):
    airflow = InMemoryAirflow.of(replace(recorded("launching"), conf={"mode": "check"}))

    RunControl(airflow).start("shop", start)

    assert [change[0] for change in airflow.changed] == ["trigger"]


def test_a_drill_is_told_whose_instances_it_may_replace():
    airflow = InMemoryAirflow.of(recorded("passed"))

    RunControl(airflow).start("shop", RunStart("drill", replace_drills=True))

    assert airflow.changed == [("trigger", {"mode": "drill", "replace_drills": True})]


def test_a_list_of_runs_says_how_each_ended_by_its_report():
    airflow = InMemoryAirflow.of(recorded("tolerated"))
    airflow.records.append(DagRunRecord("drs.shop", "older", "queued"))

    newest, older = RunControl(airflow).list_runs(None)

    assert (newest.state.status, older.state.status) == ("completed_with_exceptions", "queued")


def test_a_wait_bears_silence_for_a_while():
    airflow = InMemoryAirflow.of(recorded("launching"))
    run, news, clock = airflow.records[0].run_id, [], iter(range(0, 10_000, 100))
    control = RunControl(airflow, say=news.append, sleep=lambda _: None, monotonic=lambda: next(clock))

    def silence(dag_id, run_id):
        raise AirflowUnreachable("no answer")

    told, tasks = [], airflow.tasks
    airflow.tasks = lambda *place: silence(*place) if told else tasks(*place)

    with pytest.raises(AirflowUnreachable):
        control.wait(control.look("shop", run), None, told.append)

    assert {view.state.status for view in told} == {"running"}
    assert set(news) == {"no status: no answer"}


@pytest.mark.parametrize("silent", [1, 3])
def test_a_run_that_has_started_is_known_and_waited_for_also_where_airflow_does_not_answer_at_once(silent):
    airflow = InMemoryAirflow.of(recorded("passed"))
    news, told = [], []
    control = RunControl(airflow, say=news.append, sleep=lambda _: None)
    answers, tasks = iter([False] * silent + [True] * 10), airflow.tasks

    def late(*place):
        if next(answers):
            return tasks(*place)
        raise AirflowUnreachable("no answer")

    airflow.tasks = late
    started = control.start("shop", RunStart("drill"))
    airflow.records[0] = replace(airflow.records[0], state="success")
    over = control.wait(started, None, told.append)

    assert [change[0] for change in airflow.changed] == ["trigger"]
    assert (started.run_id, over.is_active) == (over.run_id, False)
    assert news == [
        "starting a drill of shop: all its waves, from the most recent data",
        *["no status: no answer"] * silent,
    ]


TWO = (("one", "running", "ada"), ("two", "queued", None))


def two_active(name="launching"):
    airflow = InMemoryAirflow.of(recorded(name))
    first = airflow.records[0]
    airflow.records = [
        DagRunRecord(first.dag_id, run_id, state, conf={"mode": "drill"}, triggered_by=who, asked_for_at=ASKED_AT)
        for run_id, state, who in TWO
    ]
    return airflow


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("look", ()),
        ("pause", (None,)),
        ("cancel", (None, None)),
        ("skip", ("web", None, None)),
        ("retry", ("web", None, None)),
        ("answer", (None, Decision("Approve"))),
    ],
)
def test_with_several_runs_none_is_guessed(verb, arguments):
    airflow = two_active()
    one, two = (short_run_id("drs.shop", run_id) for run_id, *_ in TWO)

    with pytest.raises(RunRefused) as caught:
        getattr(RunControl(airflow), verb)("shop", *arguments)

    assert str(caught.value).splitlines() == [
        "shop has 2 runs that are not over: name the one that you mean, by its short id",
        f"  {one}  drill, running, requested 2026-11-22 05:00:00 UTC by ada: drs run status shop {one}",
        f"  {two}  drill, queued, requested 2026-11-22 05:00:00 UTC: drs run status shop {two}",
    ]
    assert airflow.changed == []


@pytest.mark.parametrize("named", ["two", "SHORT", "short"])
def test_a_run_is_named_by_its_id_or_its_short_id(named):
    brief = short_run_id("drs.shop", "two")
    airflow = two_active()

    found = RunControl(airflow).look("shop", {"SHORT": brief.upper(), "short": brief}.get(named, named))

    assert (found.run_id, found.short_id) == ("two", brief)


def test_a_name_that_no_run_has_names_those_there_are():
    with pytest.raises(UsageError) as caught:
        RunControl(two_active()).look("shop", "abcdef")

    assert str(caught.value) == "shop has no run called 'abcdef' (known: one, two)"


@pytest.mark.parametrize(
    ("error", "put_back"),
    [(AirflowError("409"), ["cancel"]), (AirflowUnreachable("no answer"), [])],
    ids=["Airflow refuses", "nobody knows"],
)
def test_a_retry_that_airflow_refuses_is_told_to_nobody_and_leaves_the_orders_as_they_were(error, put_back):
    airflow = InMemoryAirflow.of(recorded("cancelled-at-once"))
    cancel = RunOrder(kind="cancel", message="cancelled by bob").to_json()
    airflow.documents = {**airflow.documents, ("web.start_recovery", RunOrder.KEY): cancel}
    airflow.refuses_to_clear = error

    with pytest.raises(AirflowError):
        RunControl(airflow).retry("shop", "database", None, None)

    kept = [change for change in airflow.changed if change[1] == "web.start_recovery"]
    assert [kind for *_, kind in kept] == ["none", *put_back]
    assert {verb for verb, *_ in airflow.changed} == {"keep"}


def test_orders_are_recorded_with_who_when_and_why_the_oldest_first():
    airflow = InMemoryAirflow.of(recorded("waiting-in-a-pause"))
    control = RunControl(airflow)

    control.skip("shop", "web", None, "not tonight")
    airflow.user = "bob"
    control.cancel("shop", None, None)

    orders = GivenOrders.read(airflow.documents["finish.report", GivenOrders.KEY]).orders
    assert [(order.kind, order.by, order.wave, order.reason) for order in orders] == [
        ("skip", "ada", "web", "not tonight"),
        ("cancel", "bob", None, None),
    ]
    assert orders[0].at <= orders[1].at


def test_a_cancelled_run_is_cancelled_for_everybody_who_looks():
    airflow = InMemoryAirflow.of(recorded("launching"))
    control = RunControl(airflow)

    control.cancel("shop", None, "wrong plan")

    assert control.look("shop").state.cancelled == "cancelled by ada: wrong plan"


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (
            RunStart("recovery", confirm="shop"),
            (
                "nothing was started: mode is recovery: write into 'reason' why production is recovered; it is in the "
                "report"
            ),
        ),
        (
            RunStart("drill", point_in_time="yesterday"),
            (
                "nothing was started: point_in_time: 'yesterday' is neither 'latest' nor an instant such as "
                "2026-01-31T14:05:00Z"
            ),
        ),
        (
            RunStart("drill", continue_run="x"),
            "nothing was started: continue_run 'x' is no key of a run: drs takeover shop shows the keys",
        ),
    ],
)
def test_what_needs_no_cloud_is_checked_before_the_start(start, message):
    airflow = InMemoryAirflow.of(recorded("passed"))

    with pytest.raises(UsageError) as caught:
        RunControl(airflow).start("shop", start)

    assert str(caught.value) == message
    assert airflow.changed == []


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (RunStart("drill"), "starting a drill of shop: all its waves, from the most recent data"),
        (
            RunStart("drill", waves=["web"], exclude_servers=["db1", "db2"]),
            "starting a drill of shop: 1 wave of 2, web, without db1 and db2, from the most recent data",
        ),
        (
            RunStart("drill", point_in_time="2026-01-31T14:05:00Z"),
            "starting a drill of shop: all its waves, from data of 2026-01-31T14:05:00+00:00 or before",
        ),
    ],
)
def test_a_start_says_its_scope_first(start, said):
    told = []

    RunControl(InMemoryAirflow.of(recorded("passed")), told.append).start("shop", start)

    assert told == [said]


@pytest.mark.parametrize(
    ("parent", "said", "is_cancelled"),
    [
        ("manual__1", "RUN of shop is cancelled, and will end as failed in Airflow", True),
        (
            "manual__2",
            (
                "RUN of shop, which it waits for, is not cancelled: its own parameters do not say that it is a part of "
                "this run"
            ),
            False,
        ),
    ],
    ids=["a part of it", "no part of it: what the step left was edited"],
)
def test_a_cancel_reaches_the_run_of_a_plan_that_is_a_step(parent, said, is_cancelled):
    airflow = InMemoryAirflow.of(recorded("launching"))
    part = airflow.records[0]
    proof = {"parent_dag_id": "drs.all", "parent_run_id": parent}
    airflow.records = [replace(part, conf={**part.conf, "started_by": proof})]
    control = RunControl(airflow)
    whole = replace(control.look("shop"), plan="all", run_id="manual__1")
    start = PlanRunStart(
        plan="shop",
        dag_id="drs.shop",
        run_id=part.run_id,
        parent_plan="all",
        parent_dag_id="drs.all",
        parent_run_id="manual__1",
        parent_task_id="before_waves.run-shop",
        mode="drill",
    )

    message = control._cancel_part(whole, start, "wrong plan")

    assert message.startswith(said.replace("RUN", part.run_id))
    cancelled = "cancelled by ada: part of manual__1 of all, which was cancelled (wrong plan)"
    assert control.look("shop").state.cancelled == (cancelled if is_cancelled else None)
