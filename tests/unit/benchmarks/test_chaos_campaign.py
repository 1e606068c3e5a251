"""How the runs of a campaign are kept going: batches that overlap, people who think, runs that never end."""

import threading
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from benchmarks.chaos import run
from benchmarks.chaos.campaign import PATIENCE, STILL, Judged, Running
from benchmarks.chaos.desk import ASKING, THINKS, Desk
from benchmarks.chaos.record import Said
from benchmarks.chaos.scenarios import Pause, Scenario, Server, Wave, scenario

ONE = Scenario(1, "drill", (Wave("w0", (Server("s-1", "a"),)),), (), ())


def test_the_next_stack_starts_in_the_tail_of_the_one_before_and_two_at_most_live(tmp_path):
    live, most = 0, 0
    lock, third = threading.Lock(), threading.Event()

    def campaign(batch, own: Path, *, say, tail):
        nonlocal live, most
        with lock:
            live += 1
            most = max(most, live)
        tail()
        if batch[0].seed < 2:
            third.wait(0.05)
        with lock:
            live -= 1
        (own / "stack" / "logs").mkdir(parents=True, exist_ok=True)
        return [Judged(scenario, Said("success"), 1.0, (), (str(own.name),)) for scenario in batch]

    cut = [[scenario(seed)] for seed in range(5)]

    judged = run.overlapping(cut, tmp_path, lambda _: None, campaign)

    assert [(run.scenario.seed, run.problems) for run in judged] == [
        (seed, (f"stack-{seed % 2}",)) for seed in range(5)
    ]
    assert most <= 2
    assert len(list(tmp_path.glob("failed-*"))) == 5


def test_a_run_is_given_up_only_when_nothing_happens_in_it_any_more():
    going = Running(ONE, at=0.0, kills=[])
    tasks = [{"task_id": "a", "map_index": -1, "state": "running", "try_number": 1}]

    assert not going.is_stuck(tasks, PATIENCE + 1)
    assert not going.is_stuck(tasks, PATIENCE + STILL)
    assert not going.is_stuck([tasks[0] | {"try_number": 2}], PATIENCE + STILL + 2)
    assert going.is_stuck([tasks[0] | {"try_number": 2}], PATIENCE + 2 * STILL + 3)


def test_a_big_run_counts_for_several():
    servers = tuple(Server(f"s-{number}", "a") for number in range(120))

    assert Running(ONE, 0.0, []).share == pytest.approx(1, abs=0.02)
    assert Running(Scenario(1, "drill", (Wave("w0", servers),), (), ()), 0.0, []).share == 3


class Airflow:
    """Takes answers of those who may, and remembers everything that was said."""

    def __init__(self, taken=("bob",)):
        self.said, self.taken = [], taken

    def client(self, who):
        def patch(path, json):
            self.said.append((who, path.partition("taskInstances/")[2], *json.values()))
            return httpx.Response(200 if who in self.taken else 403)

        return SimpleNamespace(patch=patch)


def at_the_desk(act, airflow, clock):
    class Sitting(Desk):
        def _client(self, who):
            return airflow.client(who)

    one = Scenario(1, "drill", (Wave("w0", (Server("s-1", "a"),), pause=Pause(act)),), (), ())
    desk = Sitting("http://127.0.0.1:1", Path("nowhere"), clock=lambda: clock[0])
    for clock[0] in (0.0, THINKS / 2, THINKS + 1):
        desk.answer(one, {"w0.pause": ASKING})
    return desk.answers(one)


YES, PATH = ["Continue"], "w0.pause/-1/hitlDetails"


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ("agree", [("admin", PATH, YES, {}), ("bob", PATH, YES, {})]),
        ("refuse", [("admin", PATH, YES, {}), ("bob", PATH, ["Stop"], {})]),
        ("fake", [("admin", PATH, YES, {}), ("admin", "w0.pause", "success")]),
        ("silent", [("admin", PATH, YES, {})]),
        ("expire", [("admin", PATH, YES, {})]),
    ],
)
def test_people_think_and_then_do_what_the_scenario_says_after_the_wrong_one_has_tried(act, said):
    airflow = Airflow()

    answers = at_the_desk(act, airflow, [0.0])

    assert airflow.said == said
    assert answers.wrongly_taken == []


def test_an_answer_of_the_wrong_person_that_is_taken_is_remembered():
    answers = at_the_desk("agree", Airflow(taken=("admin", "bob")), [0.0])

    assert answers.wrongly_taken == ["w0.pause"]
