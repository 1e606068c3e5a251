"""A campaign with two of every part: who dies, what becomes of it, and how a stopped campaign goes on."""

import json
import time
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest

from benchmarks.chaos import killer, run
from benchmarks.chaos.campaign import Judged
from benchmarks.chaos.killer import API_AWAY, NOTHING, TWIN_RESTS, Killer
from benchmarks.chaos.record import Said
from benchmarks.chaos.results import Results
from benchmarks.chaos.scenarios import Kill, scenario
from benchmarks.high_availability import drill, one_of_each

TWO = tuple(
    f"{kind}-{number}" for kind in ("scheduler", "triggerer", "api-server", "celery-worker") for number in (1, 2)
)
PARTS = {name: (name,) for name in (*TWO, "dag-processor")}
ALL_VICTIMS = {
    "task", "worker", "celery-worker", "scheduler", "triggerer", "api-server", "dag-processor", "machine", "database",
    "postgresql", "redis", "api",
}  # fmt: skip


def test_the_executor_changes_the_kills_of_a_seed_and_nothing_else():
    for seed in range(200):
        alone, team = scenario(seed), scenario(seed, "celery")
        assert replace(alone, kills=()) == replace(team, kills=())
        assert team.kills
        assert team == scenario(seed, "celery")
    drawn = Counter(kill.victim for seed in range(600) for kill in scenario(seed, "celery").kills)
    assert set(drawn) == ALL_VICTIMS
    assert not {"redis", "postgresql", "api", "celery-worker"} & {
        kill.victim for seed in range(600) for kill in scenario(seed).kills
    }


class Stack:
    """Processes that die when they are told to, and remember who was started again."""

    def __init__(self, parts=PARTS, services=("redis", "postgresql")):
        self.parts, self.begun = parts, []
        pids = {name: number for number, name in enumerate([*parts, *services], start=100)}
        self.processes = SimpleNamespace(pids=pids, exits={}, hear=lambda _: None)
        self.names = {pid: name for name, pid in pids.items()}

    def begin(self, name):
        self.begun.append(name)
        self.processes.pids[name] += 1000
        self.names[self.processes.pids[name]] = name

    def tasks_below(self):
        return set()


@pytest.fixture
def clock(monkeypatch):
    """The killer's clock, which stands still."""
    now = [1000.0]
    monkeypatch.setattr(killer, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=time.sleep))
    return now


@pytest.fixture
def stack(monkeypatch):
    found = Stack()
    monkeypatch.setattr(killer, "_kill", lambda pid: found.processes.exits.__setitem__(found.names[pid], -9))
    monkeypatch.setattr(killer, "parents_now", dict)
    return found


def test_one_of_two_stays_away_for_a_while(stack, clock):
    mine = Killer(stack)

    assert mine.kill(Kill(0, "triggerer", 0.7)) == "triggerer-2"
    mine.tend()
    assert stack.begun == []
    clock[0] += TWIN_RESTS
    mine.tend()
    assert (stack.begun, stack.processes.exits) == (["triggerer-2"], {})


def test_what_has_no_twin_and_what_dies_by_itself_is_started_at_once(stack, clock):
    mine = Killer(stack)

    assert mine.kill(Kill(0, "dag-processor", 0.2)) == "dag-processor"
    assert mine.kill(Kill(0, "redis", 0.2)) == "redis"
    assert mine.kill(Kill(0, "postgresql", 0.2)) == "postgresql"
    stack.processes.exits["scheduler-1"] = 1
    mine.tend()
    assert stack.begun == ["dag-processor", "redis", "postgresql", "scheduler-1"]


def test_the_api_is_away_for_a_minute(stack, clock):
    mine = Killer(stack)

    assert mine.kill(Kill(0, "api", 0.2)) == "every API server for 60 s"
    clock[0] += API_AWAY - 1
    mine.tend()
    assert stack.begun == []
    clock[0] += 1
    mine.tend()
    assert stack.begun == ["api-server-1", "api-server-2"]


def test_what_the_stack_does_not_have_cannot_be_killed(monkeypatch, clock):
    alone = Stack({"scheduler": ("scheduler",), "api-server": ("api-server",)}, services=())
    monkeypatch.setattr(killer, "parents_now", dict)
    mine = Killer(alone)

    for victim in ("redis", "postgresql", "celery-worker", "database"):
        assert mine.kill(Kill(0, victim, 0.2)) == NOTHING
    assert mine.since(0) == 0


def outcome(seed, problems=()):
    report = {"verdict": "passed"}
    return Judged(scenario(seed), Said("success", report), 61.4, ("redis",), tuple(problems))


def test_what_was_judged_is_not_run_again_on_the_same_kind_of_stack(tmp_path):
    file = tmp_path / "kept" / "results.jsonl"
    mine = Results(file, "celery postgresql")
    assert mine.seeds() == set()

    mine.add([outcome(3), outcome(5, ["s-1 was launched again"])])
    Results(file, "local sqlite").add([outcome(4)])

    assert mine.seeds() == {3, 5}
    third, fifth, _ = map(json.loads, file.read_text().splitlines())
    assert (third["verdict"], third["seconds"], third["killed"], third["problems"]) == ("passed", 61, ["redis"], [])
    assert fifth["problems"] == ["s-1 was launched again"]
    drawn = run.drawn(2, 4, "celery", None, mine.seeds())
    assert [each.seed for each in drawn] == [2, 4]


def test_nothing_is_written_where_no_file_was_named(tmp_path):
    mine = Results(None, "local sqlite")
    mine.add([outcome(3)])
    assert (mine.seeds(), list(tmp_path.iterdir())) == (set(), [])


def test_bigger_plans_are_passed_over_and_the_number_of_runs_stays():
    drawn = run.drawn(1, 30, "local", 8)

    assert len(drawn) == 30
    assert max(len(each.servers) for each in drawn) <= 8
    left_out = set(range(1, drawn[-1].seed)) - {each.seed for each in drawn}
    assert left_out
    assert all(len(scenario(seed).servers) > 8 for seed in left_out)


def test_no_stack_is_started_once_the_time_is_over(tmp_path):
    said = []

    def campaign(batch, own, *, say, tail):
        return [outcome(each.seed) for each in batch]

    judged = run.overlapping(
        [[scenario(1)], [scenario(2), scenario(3)]], tmp_path, said.append, campaign, until=time.monotonic() - 1
    )

    assert (judged, said) == ([], ["the time is over: 3 runs were not begun"])
    assert list(run.summary(judged, 1.0)) == ["no run was begun"]


def test_the_command_that_runs_it_again_names_the_executor():
    lines = list(run.summary([outcome(7, ["wrong"])], 60.0, "postgresql", "celery"))

    assert lines[:2] == [
        "FAILED chaos-7: wrong",
        "  killed: redis; again: make chaos RUNS=1 SEED=7 EXECUTOR=celery",
    ]


def test_a_drill_of_high_availability_loses_one_of_each_and_the_next_the_other():
    first, second = one_of_each(0.0), one_of_each(0.9)

    assert [kill.victim for kill in first] == [
        "celery-worker", "scheduler", "triggerer", "api-server", "redis", "postgresql"
    ]  # fmt: skip
    assert {int(kill.luck * 2) for kill in first} == {0}
    assert {int(kill.luck * 2) for kill in second} == {1}
    whole = drill(0, 100, 4)
    assert [len(wave.servers) for wave in whole.waves] == [25] * 4
    assert [wave.depends_on for wave in whole.waves] == [(), ("w0",), ("w1",), ("w2",)]
