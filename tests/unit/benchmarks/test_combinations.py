"""The campaign of combinations: every allowed pair is covered, and its judge fails every rule that a record breaks."""

from dataclasses import replace

import pytest
import yaml
from drs_provider.plan.loader import read_paths
from drs_simulator.fleet.file import parsed
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.combinations.factors import FACTORS, excludes
from benchmarks.combinations.judge import problems
from benchmarks.combinations.pairs import allowed_pairs, cover, pairs_of
from benchmarks.combinations.record import Launched, Record, Said
from benchmarks.combinations.run import PLAIN
from benchmarks.combinations.scenario import DATABASE, FAILING, HELD, OUTSIDER, WEB, Scenario

# -- the cover ---------------------------------------------------------------------------------------------------------


@st.composite
def tables(draw):
    """A table of factors, and a set of pairs that exclude each other."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=5))
    factors = {f"f{number}": tuple(f"v{value}" for value in range(size)) for number, size in enumerate(sizes)}
    every = allowed_pairs(factors, lambda _ours, _theirs: False)
    excluded = draw(st.sets(st.sampled_from(every), max_size=min(8, len(every) - 1)))
    return factors, excluded


@settings(max_examples=60, deadline=None)
@given(tables(), st.integers(0, 1000))
def test_every_allowed_pair_is_in_a_row_or_in_none_that_is_allowed(table, seed):
    from itertools import product

    factors, excluded = table

    def forbids(ours, theirs):
        return (ours, theirs) in excluded

    found = cover(factors, forbids, seed)

    whole = [dict(zip(factors, values, strict=True)) for values in product(*factors.values())]
    possible = {pair for row in whole if not excluded & set(pairs_of(row, factors)) for pair in pairs_of(row, factors)}
    had = {pair for row in found.rows for pair in pairs_of(row, factors)}
    assert had == possible
    assert found.impossible == set(allowed_pairs(factors, forbids)) - possible


def test_the_campaign_covers_its_table_and_a_seed_gives_it_again():
    found = cover(FACTORS, excludes, 7)

    had = {pair for row in found.rows for pair in pairs_of(row, FACTORS)}
    assert had | found.impossible == set(allowed_pairs(FACTORS, excludes))
    assert found.impossible == {(("network", "standing"), ("cloud", "silent_account"))}
    assert not any(excludes(*pair) for pair in had)
    assert found.rows == cover(FACTORS, excludes, 7).rows
    assert found.rows != cover(FACTORS, excludes, 8).rows


def test_every_combination_is_a_plan_that_can_be_read_and_a_fleet_that_can_be_started(tmp_path):
    path = tmp_path / "plan.yaml"
    for number, row in enumerate(cover(FACTORS, excludes, 3).rows[:25]):
        scenario = Scenario(number, row)
        for edited in (False, True)[number % 2 :]:
            path.write_text(yaml.safe_dump_all(scenario.documents("vpc-12345678", edited=edited)))
            assert read_paths([path]).problems == (), row
        parsed(scenario.fleet())


# -- the judge ---------------------------------------------------------------------------------------------------------

PRODUCTION, DRILLS = "subnet-prod", "subnet-drill"
AT = "2026-11-30T02:{:02d}:00+00:00"
DRILL = Scenario(0, PLAIN)
RECOVERY = Scenario(0, {**PLAIN, "mode": "recovery"})


def launched(server, *, job="drsjob-1", began=0, ended=10, instance=None, drill=True, status="LAUNCHED", **more):
    subnet = more.pop("subnet", DRILLS if drill else PRODUCTION)
    run = more.pop("run", "a" * 32)
    name = instance or f"i-{server[-2:]}"
    ended, starts = ended and AT.format(ended), more.pop("starts", None)
    return Launched(job, run, server, drill, AT.format(began), ended, status, name, subnet, starts)


def report(verdict, servers=(*DATABASE, *WEB)):
    waves = [{"servers": [{"server_id": server, "status": "launched"} for server in servers]}]
    return {"verdict": verdict, "waves": waves}


def said(verdict, *, state="success", **more):
    return Said("manual__first", state, verdict=verdict, report=report(verdict, **more))


GOOD_DRILL = Record(
    said=[said("passed")],
    launches=[launched(server) for server in (*DATABASE, *WEB)],
    production=[PRODUCTION],
    default_places={HELD: [PRODUCTION]},
)
GOOD_RECOVERY = Record(
    said=[said("completed")],
    launches=[launched(server, drill=False) for server in (*DATABASE, *WEB)],
    alive=[f"i-{server[-2:]}" for server in (*DATABASE, *WEB)],
    production=[PRODUCTION],
)


def told(value, scenario=DRILL):
    return Scenario(0, {**scenario.row, "told": value})


def with_(scenario=DRILL, **row):
    return Scenario(0, {**scenario.row, **row})


def and_(record, *launches):
    return replace(record, launches=[*record.launches, *launches])


def started(at, ran=None):
    """A launch stopped, and the start of its instance."""
    return [{"id": "i", "at": AT.format(at), "ran": ran and AT.format(ran)}]


def test_what_was_prepared_and_could_not_be_started_may_be_launched_again():
    prepared = launched(FAILING, drill=False, starts=[], instance="i-old")
    again = launched(FAILING, drill=False, job="drsjob-2", began=30, ended=40, starts=started(41, 42))
    rest = [launch for launch in GOOD_RECOVERY.launches if launch.server != FAILING]
    record = replace(GOOD_RECOVERY, launches=[prepared, *rest, again])

    assert problems(with_(RECOVERY, cloud="no_start"), record) == []
    assert problems(RECOVERY, record) == [
        f"rule 1: drsjob-2 launched {FAILING} again over what drsjob-1 had launched",
        "rule 2: the live recovered instance i-old is gone",
    ]
    ran = replace(record, launches=[replace(prepared, starts=started(12, 13)), *rest, again])
    assert problems(with_(RECOVERY, cloud="no_start"), ran) == [
        f"rule 1: drsjob-2 launched {FAILING} again over what drsjob-1 had launched",
        "rule 2: the live recovered instance i-old is gone",
    ]


def test_what_was_never_started_is_not_launched_for_a_report():
    prepared = [launched(server, starts=[] if server == WEB[0] else started(11, 12)) for server in (*DATABASE, *WEB)]
    record = replace(GOOD_DRILL, launches=prepared)

    assert problems(DRILL, record) == [
        f"rule 4: the report of manual__first says that {WEB[0]} was launched, and it was not",
        f"rule 4: manual__first passed, and {WEB[0]} were never launched",
    ]
    assert problems(with_(launch="stopped"), record) == []


def test_an_instance_that_is_started_out_of_turn_is_found():
    at = dict.fromkeys(DATABASE, 14) | dict.fromkeys(WEB, 16)
    launches = [launched(server, starts=started(minute, minute + 1)) for server, minute in at.items()]
    early = [replace(each, starts=started(12, 13)) if each.server == WEB[1] else each for each in launches]
    running = [replace(each, starts=started(8, 9)) if each.server == HELD else each for each in launches]

    assert problems(with_(waves="chain"), replace(GOOD_DRILL, launches=launches)) == []
    assert problems(with_(waves="chain"), replace(GOOD_DRILL, launches=early)) == [
        f"rule 1: {WEB[1]} was started before {server}, whose wave comes before its own"
        for server in DATABASE
        if server != FAILING
    ]
    assert problems(with_(waves="beside"), replace(GOOD_DRILL, launches=early)) == []
    assert problems(DRILL, replace(GOOD_DRILL, launches=running)) == [
        f"rule 1: i-{HELD[-2:]} of {HELD} was started before drsjob-1 had ended"
    ]


def test_a_good_drill_and_a_good_recovery_keep_every_rule():
    assert problems(DRILL, GOOD_DRILL) == []
    assert problems(RECOVERY, GOOD_RECOVERY) == []


AGAIN = launched(HELD, job="drsjob-2", began=30, ended=40, instance="i-new")
LIVE = replace(GOOD_DRILL, live_before=["i-live"], alive=["i-live"])


@pytest.mark.parametrize(
    ("scenario", "record", "rule"),
    [
        (DRILL, Record(broken="no memory"), "the run broke off: no memory"),
        (DRILL, replace(GOOD_DRILL, problem="it waits"), "rule 12: a run does not come to its end: it waits"),
        (
            DRILL,
            replace(GOOD_DRILL, said=[replace(said("passed"), unfinished={"finish.report": "None"})]),
            "rule 12: manual__first has not ended: {'finish.report': 'None'}",
        ),
        (
            DRILL,
            replace(GOOD_DRILL, said=[Said("manual__first", "failed")]),
            "rule 4: manual__first ended without a report",
        ),
        (
            DRILL,
            and_(GOOD_DRILL, launched(HELD, job="drsjob-2", began=5, instance="i-new")),
            f"rule 1: {HELD} is in job drsjob-2 while it is in drsjob-1",
        ),
        (
            DRILL,
            and_(GOOD_DRILL, AGAIN),
            f"rule 1: drsjob-2 launched {HELD} again over what drsjob-1 had launched",
        ),
        (
            DRILL,
            and_(GOOD_DRILL, launched(HELD, job="drsjob-2", began=30, run="")),
            f"rule 1: drsjob-2 launched {HELD} without the tags of a run",
        ),
        (DRILL, replace(LIVE, alive=[]), "rule 2: the live recovered instance i-live is gone"),
        (
            RECOVERY,
            replace(GOOD_RECOVERY, alive=GOOD_RECOVERY.alive[1:]),
            "rule 2: the live recovered instance i-01 is gone",
        ),
        (
            DRILL,
            replace(GOOD_DRILL, drills_before=["i-theirs"]),
            "rule 3: somebody else's drill instance i-theirs is gone",
        ),
        (
            DRILL,
            replace(GOOD_DRILL, terminations=[(0.0, "i-any")]),
            "rule 3: a clean-up terminated i-any, which no drill of this plan had launched",
        ),
        (
            DRILL,
            replace(GOOD_DRILL, changed=["ec2 describe_vpcs: new: vpc-1"]),
            "rule 3: the drill leaves the account changed: ec2 describe_vpcs: new: vpc-1",
        ),
        (
            with_(cloud="template_tool"),
            replace(GOOD_DRILL, default_types={HELD: "m5.large"}),
            f"rule 3: what another tool wrote into the template of {HELD} is lost: m5.large",
        ),
        (
            DRILL,
            replace(GOOD_DRILL, default_places={HELD: [DRILLS]}),
            f"rule 3: the default launch template of {HELD} names {DRILLS}, not production's",
        ),
        (
            with_(scope="without_a_server"),
            replace(GOOD_DRILL, launches=[replace(each, subnet=PRODUCTION) for each in GOOD_DRILL.launches[:1]]),
            f"rule 3: {DATABASE[0]} was launched into {PRODUCTION}, not where a drill belongs",
        ),
        (with_(cloud="launch_into"), GOOD_DRILL, "rule 3: the drill was not refused: cloud=launch_into"),
        (told("replace_live_instances"), GOOD_DRILL, "rule 3: the drill was not refused: cloud=quiet"),
        (
            DRILL,
            replace(GOOD_DRILL, alive=["i-01"]),
            f"rule 14: drill instance i-01 of {DATABASE[0]} is left over",
        ),
        (
            DRILL,
            replace(GOOD_DRILL, said=[said("passed", state="failed")]),
            "rule 4: manual__first is failed for Airflow, and its report says passed",
        ),
        (
            DRILL,
            replace(GOOD_DRILL, launches=GOOD_DRILL.launches[1:]),
            f"rule 4: the report of manual__first says that {DATABASE[0]} was launched, and it was not",
        ),
        (
            DRILL,
            replace(GOOD_DRILL, launches=GOOD_DRILL.launches[1:]),
            f"rule 4: manual__first passed, and {DATABASE[0]} were never launched",
        ),
        (
            with_(RECOVERY, cloud="stalled_source"),
            Record(said=[replace(said("refused", state="failed", servers=()), reason="the source is broken")]),
            "rule 5: the recovery was refused: the source is broken",
        ),
        (
            DRILL,
            replace(GOOD_DRILL, writes=[{"n": 7, "operation": "StopReplication", "request": {}}]),
            "rule 7: StopReplication (call 7) was called",
        ),
        (
            DRILL,
            replace(GOOD_DRILL, launches=[replace(each, is_drill=False) for each in GOOD_DRILL.launches]),
            "rule 8: drsjob-1 of a drill is no drill for DRS",
        ),
        (
            with_(action="edited_plan"),
            and_(GOOD_DRILL, launched(OUTSIDER)),
            f"rule 10: drsjob-1 launched {OUTSIDER}, which does not take part",
        ),
        (
            with_(action="edited_xcom"),
            replace(GOOD_DRILL, writes=[{"n": 7, "operation": "TagResource", "request": {"arn": OUTSIDER}}]),
            f"rule 13: TagResource (call 7) named {OUTSIDER}, which is in no plan",
        ),
        (
            with_(RECOVERY, action="mark_approval", people="approval"),
            replace(GOOD_RECOVERY, acted=True),
            "rule 11: a recovery went on after an approval that was marked and not given",
        ),
    ],
)
def test_a_record_that_breaks_a_rule_is_found(scenario, record, rule):
    assert any(found.startswith(rule) for found in problems(scenario, record)), problems(scenario, record)


@pytest.mark.parametrize(
    ("scenario", "record"),
    [
        (DRILL, and_(replace(GOOD_DRILL, terminations=[(1795000000.0, f"i-{HELD[-2:]}")]), AGAIN)),
        (told("replace_live_instances", RECOVERY), replace(GOOD_RECOVERY, live_before=["i-live"])),
        (with_(told="replace_drills", cloud="foreign_drill"), replace(GOOD_DRILL, drills_before=["i-theirs"])),
        (
            with_(cloud="template_tool"),
            replace(GOOD_DRILL, default_types={HELD: "m6a.xlarge"}, changed=["ec2 launch template versions: …"]),
        ),
    ],
    ids=["terminated in between", "told to replace production", "told to replace drills", "both changes are kept"],
)
def test_what_is_allowed_is_no_fault(scenario, record):
    assert problems(scenario, record) == []
