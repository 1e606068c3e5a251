"""What the API does at the same time and at once, and who waits for whom."""

import asyncio
import subprocess
import threading
from pathlib import Path

import pytest
from drs_provider.api import run_desk
from drs_provider.api.problems import RequestRefused
from drs_provider.api.run_desk import Steering
from drs_provider.api.turns import Turns
from drs_provider.api.v1 import plan_checks
from drs_provider.services.airflow_api import NotThere
from drs_provider.services.airflow_client import AirflowClient, Login
from drs_provider.services.groups import save
from drs_provider.services.groups.patches import patch_of
from drs_provider.services.groups.posted_text import MOST_DOCUMENTS
from drs_provider.services.groups.reader import GroupReader
from kit.console import Console
from kit.in_memory_airflow import InMemoryAirflow
from kit.recorded_runs import recorded

PLANS = "/api/v1/recovery-plans"
GROUP = "kind: ProtectionGroup\nname: {}\nregion: us-west-2\nservers: [s-{:017d}]\n"
PLAN = "kind: RecoveryPlan\nname: {}\ndrill: {{network: shared}}\nwaves: [{{name: all, groups: [{}]}}]\n"
SHOP = f"{GROUP.format('shop-db', 1)}---\n{PLAN.format('shop', 'shop-db')}"
PAYROLL = f"{GROUP.format('payroll-db', 2)}---\n{PLAN.format('payroll', 'payroll-db')}"


@pytest.fixture
def console(tmp_path: Path) -> Console:
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "shop.yaml").write_text(SHOP)
    return Console(tmp_path / "plans", readable={"*"}, editable={"*"})


def test_of_many_problems_the_first_are_told_and_how_many_more_there_are(console, monkeypatch):
    looks = []
    files = GroupReader._files
    monkeypatch.setattr(GroupReader, "_files", lambda self, **which: looks.append(which) or files(self, **which))
    text = "---\na: b\n" * MOST_DOCUMENTS

    answer = console.client().post(f"{PLANS}/validate", json={"text": text}).json()

    assert (answer["is_valid"], len(answer["problems"])) == (False, plan_checks.MOST_PROBLEMS)
    assert answer["more_problems"] == MOST_DOCUMENTS - plan_checks.MOST_PROBLEMS
    assert len(looks) <= 2


@pytest.mark.parametrize("text", ["---\na: b\n" * (MOST_DOCUMENTS + 1), "#" * (plan_checks.LONGEST_TEXT + 1)])
def test_a_text_that_is_too_long_is_not_read(console, text):
    assert console.client().post(f"{PLANS}/validate", json={"text": text}).status_code == 422


def test_only_so_many_turns_are_taken_at_the_same_time():
    turns = Turns(1, "texts are being checked")
    with turns.taken(), pytest.raises(RequestRefused) as refused, turns.taken():
        pass
    assert refused.value.detail == "1 texts are being checked already: ask again in a few seconds"
    with turns.taken():
        pass


@pytest.mark.parametrize("name", [".", "..", ""])
def test_a_name_that_leads_elsewhere_is_not_there(name):
    client = AirflowClient("http://airflow.test", Login(token="t"))
    for ask in (lambda: client.run("drs.shop", name), lambda: client.run(name, "x"), lambda: client.dag(name)):
        with pytest.raises(NotThere, match="nothing is called"):
            ask()


def steering():
    return Steering(airflow=None, access=None, rights=None)


def test_an_order_does_not_wait_for_those_who_look():
    async def both():
        desk, done = steering(), threading.Event()
        looks = [asyncio.ensure_future(desk.ask(done.wait)) for _ in range(run_desk.THREADS)]
        await asyncio.sleep(0)
        ordered = await asyncio.wait_for(desk.order(lambda: "ordered"), 20)
        done.set()
        await asyncio.gather(*looks)
        return ordered, desk._reads

    assert asyncio.run(both()) == ("ordered", 0)


def test_more_looks_than_can_be_answered_are_refused():
    async def many():
        desk, done = steering(), threading.Event()
        looks = [asyncio.ensure_future(desk.ask(done.wait)) for _ in range(run_desk.MOST_READS)]
        await asyncio.sleep(0)
        with pytest.raises(RequestRefused) as refused:
            await desk.ask(done.wait)
        done.set()
        await asyncio.gather(*looks)
        return refused.value.status

    assert asyncio.run(many()) == 503


def test_a_wait_that_nobody_waits_for_gives_its_place_back(tmp_path, monkeypatch):
    (tmp_path / "plans").mkdir()
    airflow = InMemoryAirflow.of(recorded("launching"))
    console = Console(tmp_path / "plans", airflow=airflow)

    async def gone(_):
        return True

    monkeypatch.setattr("starlette.requests.Request.is_disconnected", gone)
    run = airflow.records[0].run_id.replace("+", "%2B")
    answer = console.client().get(f"/api/v1/runs/drs.shop/{run}/wait?seconds=60")

    assert (answer.json()["is_over"], console.slept, console.steering._waits) == (False, [2.0], 0)


def test_a_change_reads_the_folder_as_it_is_and_as_it_would_be(console, monkeypatch):
    reads = []
    read = save.catalog_of_contents
    monkeypatch.setattr(save, "catalog_of_contents", lambda *given: reads.append(1) or read(*given))
    client = console.client()
    plan = client.get(f"{PLANS}/shop/definition").json()["definition"]

    assert client.post(f"{PLANS}/preview", json={"definition": plan | {"title": "x"}}).status_code == 200
    assert len(reads) == 2
    assert client.patch(f"{PLANS}/shop", json={"title": "x"}, headers={"If-Match": "*"}).json()["is_saved"]
    assert len(reads) == 4


def test_a_patch_is_laid_over_what_is_there_when_it_is_saved(console, monkeypatch):
    path = console.plans / "shop.yaml"
    locked = save.locked

    def late(folder):
        path.write_text(f"{SHOP}rto: 1h\n")
        return locked(folder)

    monkeypatch.setattr(save, "locked", late)

    answer = console.client().patch(f"{PLANS}/shop", json={"title": "x"}, headers={"If-Match": "*"})

    assert answer.json()["is_saved"], answer.text
    assert path.read_text() == f"{SHOP}rto: 1h\ntitle: x\n"


def test_a_file_that_is_not_named_is_looked_at_too(console):
    (console.plans / "new.yaml").write_text(PAYROLL)
    (console.plans / "groups").mkdir()
    (console.plans / "groups" / "web.yaml").write_text(f"{GROUP.format('wages', 3)}---\n{PLAN.format('pay', 'wages')}")
    console.readable = console.editable = {"drs.shop", "drs.new"}
    definition = {"kind": "RecoveryPlan", "name": "new", "drill": {"network": "shared"}, "waves": []}
    group = {"kind": "ProtectionGroup", "name": "web", "region": "us-west-2", "servers": ["s-00000000000000009"]}

    for path, new in ((PLANS, definition), (f"{PLANS}/preview", definition), ("/api/v1/protection-groups", group)):
        answer = console.client().post(path, json={"definition": new})
        assert answer.status_code == 403, answer.text
        assert "payroll" not in answer.text


def test_both_reads_of_a_plan_give_the_same_etag(console):
    client = console.client()
    tags = {client.get(f"{PLANS}/shop{path}").headers.get("etag") for path in ("", "/definition")}
    assert len(tags) == 1
    assert client.patch(f"{PLANS}/shop", json={"rto": "1h"}, headers={"If-Match": tags.pop()}).status_code == 200


@pytest.mark.parametrize(
    "after",
    [
        lambda documents: [documents[0], documents[1] + "rto: 1h\n", documents[2]],
        lambda documents: [documents[0], documents[2]],
        lambda documents: [*documents, PLAN.format("more", "shop-db")],
        lambda documents: [documents[0] + "description: d\n", *documents[1:]],
        lambda documents: [*documents[:2], documents[2].replace("shared", "none")],
    ],
    ids=["changed", "deleted", "added", "first", "last"],
)
def test_a_patch_shows_nothing_of_other_documents_and_can_be_applied(tmp_path, after):
    documents = [PLAN.format(name, f"{name}-db") for name in ("payroll", "shop", "wages")]
    before, wanted = "---\n".join(documents), "---\n".join(after(documents))
    (tmp_path / "all.yaml").write_text(before)

    patch = patch_of("all.yaml", before.encode(), wanted.encode())

    subprocess.run(["git", "apply"], input=patch.encode(), cwd=tmp_path, check=True)
    assert (tmp_path / "all.yaml").read_text() == wanted
    kept = [
        name for name, text in zip(("payroll", "shop", "wages"), documents, strict=True) if text in after(documents)
    ]
    assert not [name for name in kept if f"name: {name}" in patch]
