"""Groups over HTTP: read, previewed, created, changed and deleted in their files."""

import json
import threading
from pathlib import Path

import pytest
from drs_provider.exceptions import AccessDenied
from drs_provider.services.groups import save
from drs_provider.services.groups.catalog import read_catalog
from kit.console import Console, FakeAccount, server

SHOP = """# the shop's
kind: ProtectionGroup
name: shop-db
region: us-west-2
servers:
  - s-00000000000000001 # the first
select:
  tags: {App: shop}
"""
PLAN = """
kind: RecoveryPlan
name: shop
drill: {network: shared}
waves: [{name: database, groups: [shop-db]}]
"""
OTHER = "kind: ProtectionGroup\nname: other\nregion: us-west-2\nservers:\n  - s-00000000000000003\n"
EVIL = "</script><b>\u202e\U0001f4a3 'x' \"y\""


@pytest.fixture
def console(tmp_path: Path) -> Console:
    plans = tmp_path / "plans"
    (plans / "groups").mkdir(parents=True)
    (plans / "groups" / "shop.yaml").write_text(SHOP)
    (plans / "groups" / "other.yaml").write_text(OTHER)
    (plans / "shop.yaml").write_text(PLAN)
    servers = [server(1, "db1"), server(2, "web1", App="shop"), server(3, "app1"), server(4, "new1", App="new")]
    return Console(plans, {("aws_default", "us-west-2"): FakeAccount(servers=servers)})


def a_group(name="new", **fields):
    return {"kind": "ProtectionGroup", "name": name, "region": "us-west-2", **fields}


def read(client, name="shop-db"):
    answer = client.get(f"/api/v1/protection-groups/{name}")
    return answer.json(), {"If-Match": answer.headers["etag"]}


def files(console):
    return {path.name: path.read_text() for path in sorted(console.plans.rglob("*")) if path.is_file()}


def test_groups_are_listed_with_their_place_and_their_servers_now(console):
    page = console.client().get("/api/v1/protection-groups").json()

    assert [(group["name"], group["file"], group["line"], group["plans"]) for group in page["groups"]] == [
        ("other", "groups/other.yaml", 1, []),
        ("shop-db", "groups/shop.yaml", 2, ["shop"]),
    ]
    assert page["groups"][1]["servers"] == ["s-00000000000000001", "s-00000000000000002"]
    first = console.client().get("/api/v1/protection-groups?limit=1").json()
    second = console.client().get("/api/v1/protection-groups", params={"after": first["next"]}).json()
    assert [group["name"] for group in (*first["groups"], *second["groups"])] == ["other", "shop-db"]


def test_a_change_is_made_in_place_and_told_to_the_audit_log(console):
    client = console.client()
    group, headers = read(client)
    wanted = {**group["definition"], "servers": [*group["definition"]["servers"], "s-00000000000000004"]}

    answer = client.put("/api/v1/protection-groups/shop-db", json=wanted, headers=headers)

    assert (answer.status_code, answer.json()["is_saved"]) == (200, True)
    after = files(console)["shop.yaml"], (console.plans / "groups" / "shop.yaml").read_text()
    assert after[1] == SHOP.replace("# the first\n", "# the first\n  - s-00000000000000004\n")
    assert answer.headers["etag"] == read(client)[1]["If-Match"] != headers["If-Match"]
    assert "+  - s-00000000000000004\n" in answer.json()["patch"]
    extra = {"group": "shop-db", "file": "groups/shop.yaml", "before": group["definition"], "after": wanted}
    assert console.audit == [("drs_group_changed", extra)]


def test_of_two_who_save_the_same_group_one_wins_and_the_other_is_told(console):
    client = console.client()
    group, headers = read(client)

    def save(description):
        wanted = {**group["definition"], "description": description}
        return client.put("/api/v1/protection-groups/shop-db", json=wanted, headers=headers)

    answers = {}
    threads = [
        threading.Thread(target=lambda text=text: answers.update({text: save(text)})) for text in ("one", "another")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answer.status_code for answer in answers.values()) == [200, 412]
    (lost,) = (answer for answer in answers.values() if answer.status_code == 412)
    (won,) = (text for text, answer in answers.items() if answer.status_code == 200)
    assert lost.json()["detail"].startswith("somebody has changed it since you have read it")
    assert lost.headers["etag"] == read(client)[1]["If-Match"]
    assert read(client)[0]["description"] == won
    assert len(console.audit) == 1


def test_a_change_without_what_was_read_is_refused(console):
    group, _ = read(console.client())

    assert console.client().put("/api/v1/protection-groups/shop-db", json=group["definition"]).status_code == 428
    assert console.client().delete("/api/v1/protection-groups/other").status_code == 428


def test_a_group_is_created_in_a_file_of_its_own_or_at_the_end_of_another(console):
    client = console.client()
    own = client.post("/api/v1/protection-groups", json={"definition": a_group(servers=["s-00000000000000004"])})
    second = a_group("second", select={"tags": {"App": "none"}}, description=EVIL)
    there = client.post("/api/v1/protection-groups", json={"definition": second, "file": "groups/other.yaml"})

    assert (own.status_code, there.status_code) == (201, 201), there.text
    assert (console.plans / "groups" / "new.yaml").read_text().startswith("kind: ProtectionGroup\nname: new\n")
    assert (console.plans / "groups" / "other.yaml").read_text().startswith(f"{OTHER}---\nkind: ProtectionGroup\n")
    assert read(client, "second")[0]["description"] == EVIL
    assert [event for event, _ in console.audit] == ["drs_group_created", "drs_group_created"]


def test_a_group_that_no_plan_uses_is_deleted_with_its_file(console):
    client = console.client()
    _, headers = read(client, "other")

    assert client.delete("/api/v1/protection-groups/other", headers=headers).json()["is_saved"] is True
    assert "other.yaml" not in files(console)
    assert client.get("/api/v1/protection-groups/other").status_code == 404


@pytest.mark.parametrize(
    ("definition", "status", "where", "what"),
    [
        (
            a_group(servers=["s-00000000000000003"]),
            409,
            "servers",
            "app1 (s-00000000000000003) is in group 'other' (groups/other.yaml:1) too: a server belongs to one group",
        ),
        (
            a_group(select={"tags": {"App": "sh*"}}),
            409,
            "servers",
            "web1 (s-00000000000000002) is in group 'shop-db' (groups/shop.yaml:2) too: a server belongs to one group",
        ),
        (a_group(), 422, "groups/new.yaml:1:1: group new", "a group needs servers, select, or both"),
        (
            a_group(servers=["s-1"]),
            422,
            "groups/new.yaml:5:5: servers[0]",
            "expected a source server id, s- and 17 letters or digits, found 's-1'",
        ),
        (a_group("Not a name", servers=["s-00000000000000004"]), 422, "", ""),
        (a_group("shop-db"), 409, "", "there is a group called 'shop-db' already, in groups/shop.yaml:2"),
        ({"kind": "RecoveryPlan", "name": "x"}, 422, "", "kind: write ProtectionGroup"),
        ({}, 422, "", "name: a group needs a name"),
        (a_group(servers=[{"id": ["deep"] * 3}]), 422, "", ""),
        (a_group(description=1e400), 422, "", ""),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line_and_nothing_is_saved(console, definition, status, where, what):
    before = files(console)
    body = json.dumps({"definition": definition})
    answer = console.client().post(
        "/api/v1/protection-groups", content=body, headers={"Content-Type": "application/json"}
    )

    document = answer.json()
    said = [(error["where"], error["what"]) for error in document["errors"]] or [("", document["detail"])]
    assert answer.status_code == status, document
    if what:
        assert (where, what) in [(at.rstrip(": "), text) for at, text in said], said
    assert str(console.plans) not in answer.text
    assert (files(console), console.audit) == (before, [])


@pytest.mark.parametrize(
    "file",
    [
        "../out.yaml",
        "/etc/cron.d/x.yaml",
        "groups/../../out.yaml",
        "groups/.hidden.yaml",
        ".git/x.yaml",
        "groups//x.yaml",
        "groups/x.txt",
        "x.yaml\n",
        "groups\\x.yaml",
        "a/b/c/d/e/f/g.yaml",
        "link/x.yaml",
        "x\x00.yaml",
        "",
    ],
)
def test_a_file_out_of_the_plans_folder_is_refused(console, file, tmp_path):
    (tmp_path / "outside").mkdir()
    (console.plans / "link").symlink_to(tmp_path / "outside")
    body = {"definition": a_group(servers=["s-00000000000000004"]), "file": file}

    answer = console.client().post("/api/v1/protection-groups", json=body)

    if file:
        assert (answer.status_code, answer.json()["detail"][:6]) == (422, "file: ")
        assert list((tmp_path / "outside").iterdir()) == []
    else:
        assert answer.json()["file"] == "groups/new.yaml"
    assert not (tmp_path / "out.yaml").exists()


def test_a_group_that_a_plan_uses_stays(console):
    client = console.client()
    _, headers = read(client)

    answer = client.delete("/api/v1/protection-groups/shop-db", headers=headers)

    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["where"].startswith("shop.yaml:5:")
    assert error["what"] == "no group called 'shop-db'"
    assert "shop-db" in (console.plans / "groups" / "shop.yaml").read_text()


def test_a_group_keeps_its_name(console):
    client = console.client()
    group, headers = read(client, "other")
    renamed = {**group["definition"], "name": "renamed"}

    answer = client.put("/api/v1/protection-groups/other", json=renamed, headers=headers)

    assert (answer.status_code, answer.json()["detail"]) == (
        422,
        "name: it is 'other'; a group keeps its name, plans refer to it",
    )


@pytest.mark.parametrize("how", ["setting", "link", "dry run"])
def test_where_nothing_may_be_written_the_change_is_given_as_a_patch(console, how, tmp_path):
    client, query = console.client(), ""
    if how == "setting":
        console.may_write = False
    elif how == "link":
        (console.plans / "groups" / "other.yaml").rename(console.plans / "groups" / ".real")
        (console.plans / "groups" / "other.yaml").symlink_to(".real")
    else:
        query = "?dry_run=true"
    before = files(console)
    group, headers = read(client, "other")
    wanted = {**group["definition"], "description": "the others"}

    answer = client.put(f"/api/v1/protection-groups/other{query}", json=wanted, headers=headers).json()

    assert (answer["is_saved"], bool(answer["why_not"])) == (False, how != "dry run")
    assert answer["patch"].startswith("--- a/groups/other.yaml\n+++ b/groups/other.yaml\n")
    assert "+description: the others\n" in answer["patch"]
    assert (files(console), console.audit) == (before, [])


def test_whoever_may_not_change_a_plan_changes_none_of_its_groups(console):
    client = console.client()
    group, headers = read(client)
    console.editable = set()

    answer = console.client().put("/api/v1/protection-groups/shop-db", json=group["definition"], headers=headers)

    assert (answer.status_code, answer.json()["detail"]) == (
        403,
        "you may not change every plan that uses the group, or another group of its file",
    )
    assert read(console.client())[0]["is_editable"] is False


def test_a_group_of_a_plan_that_the_caller_may_not_read_is_not_there(console):
    console.readable = set()
    client = console.client()

    assert client.get("/api/v1/protection-groups/shop-db").status_code == 404
    assert [group["name"] for group in client.get("/api/v1/protection-groups").json()["groups"]] == ["other"]


PAY = "kind: ProtectionGroup\nname: payroll\nregion: us-west-2\nservers: [s-00000000000000004]\n"


@pytest.mark.parametrize(
    "plan",
    [
        "kind: RecoveryPlan\nname: pay\nregoin: x\ndrill: {network: shared}\nwaves: [{name: a, groups: [payroll]}]\n",
        "kind: RecoveryPlan\nname: pay\nwaves: [{name: a, groups: [payrol]}]\n",
        "kind: RecoveryPlan\nname: pay\nwaves:\n- {name: a, groups: payroll}\n",
        "kind: RecoveryPlan\nname: pay\nwavs: [{name: a, groups: [payroll]}]\n",
        "kind: RecoveryPlan\nname: [pay]\nwaves: [{name: a, groups: [payroll]}]\n",
        "kind: RecoveryPlann\nname: pay\nwaves: [{name: a, groups: [payroll]}]\n",
        "kind: RecoveryPlan\nname: pay\n  waves: [{name: a, groups: [payroll]}]\n",
    ],
    ids=["field", "group", "no list", "key", "name", "kind", "no YAML"],
)
def test_a_typing_error_in_a_plan_does_not_open_its_groups(console, plan):
    (console.plans / "pay.yaml").write_text(plan)
    (console.plans / "groups" / "payroll.yaml").write_text(PAY)
    client = console.client()

    def looks():
        group = client.get("/api/v1/protection-groups/payroll")
        rows = client.get("/api/v1/source-servers").json()["servers"]
        return group.status_code, "new1" in {row["hostname"] for row in rows}

    assert looks() == (404, False)
    console.readable = {"*"}
    assert looks() == (200, True)
    group, headers = read(client, "payroll")
    assert group["is_editable"] is False
    wanted = {**group["definition"], "description": "taken"}
    answer = client.put("/api/v1/protection-groups/payroll", json=wanted, headers=headers)
    assert answer.status_code == 403, answer.text
    console.editable = {"*"}
    assert client.put("/api/v1/protection-groups/payroll", json=wanted, headers=headers).status_code == 200
    assert read(client, "shop-db")[0]["is_editable"] is True


def test_a_wave_of_steps_alone_leaves_no_doubt(console):
    waves = "waves: [{name: database, groups: [shop-db]}, {name: b, after: [{name: go, kind: wait, for: 1m}]}]"
    (console.plans / "shop.yaml").write_text(PLAN.replace("waves: [{name: database, groups: [shop-db]}]", waves))
    assert [plan.name for plan in read_catalog(console.plans).recovery_plans] == ["shop"]

    assert console.client().get("/api/v1/protection-groups/other").status_code == 200


def test_a_group_is_added_to_no_file_whose_groups_the_caller_may_not_change(console):
    (console.plans / "again").symlink_to(console.plans / "groups")
    client = console.client()
    console.editable = set()
    before = files(console)

    for file in ("groups/shop.yaml", "again/shop.yaml"):
        body = {"definition": a_group(servers=["s-00000000000000004"]), "file": file}
        answer = client.post("/api/v1/protection-groups", json=body)
        assert (answer.status_code, answer.json()["detail"]) == (
            403,
            "you may not change every plan that uses the group, or another group of its file",
        )
    (console.plans / "groups" / "shop.yaml").unlink()
    answer = client.post("/api/v1/protection-groups", json={"definition": a_group("shop-db", servers=[])})
    assert answer.status_code == 403  # a plan waits for a group of this name
    del before["shop.yaml"]
    assert (console.audit, (console.plans / "shop.yaml").read_text()) == ([], PLAN)


@pytest.fixture
def with_payroll(console):
    """A plan and a group that the caller may not read, beside a server that is in that group and in another one."""
    plan = PLAN.replace("name: shop\n", "name: pay\nrpo: 1m\n").replace("[shop-db]", "[payroll, shop-db]")
    (console.plans / "secret-pay.yaml").write_text(plan)
    (console.plans / "groups" / "hidden.yaml").write_text(
        PAY.replace("servers: [s-00000000000000004]", "select: {tags: {App: '*'}}")
    )
    return console


SECRETS = ("payroll", "secret-pay", "hidden.yaml", '"pay"', "'pay'", "new1")


def test_names_of_what_the_caller_may_not_read_are_in_no_answer(with_payroll):
    client = with_payroll.client()
    definition = a_group(servers=["s-00000000000000004"])
    _, headers = read(client)
    with_payroll.editable.add("drs.pay")
    answers = {
        path: client.get(path)
        for path in (
            "/api/v1/source-servers",
            "/api/v1/source-servers?q=payroll",
            "/api/v1/accounts",
            "/api/v1/protection-groups",
            "/api/v1/protection-groups/shop-db",
            "/servers",
            "/groups",
            "/group?name=shop-db",
        )
    }
    answers["resolve"] = client.post("/api/v1/protection-groups/resolve", json=definition)
    answers["create"] = client.post("/api/v1/protection-groups", json={"definition": definition})
    taken = a_group("payroll", servers=["s-00000000000000009"])
    answers["taken"] = client.post("/api/v1/protection-groups", json={"definition": taken})
    answers["delete"] = client.delete("/api/v1/protection-groups/shop-db", headers=headers)

    for path, answer in answers.items():
        found = [secret for secret in SECRETS if secret in answer.text.replace("q=payroll", "")]
        assert found == [], (path, answer.text)
    assert answers["/api/v1/source-servers?q=payroll"].json()["total"] == 0
    rows = {row["hostname"]: row for row in answers["/api/v1/source-servers"].json()["servers"]}
    said = "is in a group that you may not read too: a server belongs to one"
    assert (rows["web1"]["groups"], rows["web1"]["plans"], rows["web1"]["problems"]) == (["shop-db"], ["shop"], [said])
    assert rows["web1"]["objective_seconds"] is None
    assert answers["/api/v1/accounts"].json()["accounts"][0]["servers"] == len(rows) == 3
    told = "s-00000000000000004 is in a group that you may not read: a server belongs to one group"
    assert (answers["resolve"].json()["conflicts"], answers["resolve"].json()["servers"]) == ([told], [])
    assert (answers["create"].status_code, answers["create"].json()["errors"][0]["what"]) == (409, told)
    assert answers["taken"].status_code in {403, 409}
    assert [error["what"] for error in answers["delete"].json()["errors"]] == [
        "concerns a group or a plan that you may not read",
        "no group called 'shop-db'",
    ]


MINE = "kind: RecoveryPlan\nname: mine\ndrill: {network: shared}\nwaves: [{name: a, groups: [shop-db]}]\n"
STEP = "shop-db], before: [{kind: plan, name: first, plan: NAME}]"
TEXTS = {
    "group": (MINE.replace("shop-db", "NAME"), "payroll"),
    "step": (MINE.replace("shop-db]", STEP), "pay"),
    "own group": ("kind: ProtectionGroup\nname: NAME\nregion: us-west-2\nservers: [s-00000000000000009]\n", "payroll"),
    "own plan": (MINE.replace("mine", "NAME"), "pay"),
}


@pytest.mark.parametrize(("text", "hidden"), TEXTS.values(), ids=TEXTS)
def test_a_text_that_is_checked_does_not_tell_whether_there_is_what_the_caller_may_not_read(with_payroll, text, hidden):
    def told(name):
        posted = {"text": text.replace("NAME", name)}
        answer = with_payroll.client().post("/api/v1/recovery-plans/validate", json=posted).json()
        return json.dumps({**answer, "plans": [plan["name"] for plan in answer["plans"]]}).replace(name, "NAME")

    assert told(hidden) == told("nobody")
    with_payroll.readable = {"*"}
    assert told(hidden) != told("nobody")


def test_a_text_that_is_checked_takes_no_server_of_a_group_that_the_caller_may_not_read(with_payroll):
    text = "kind: ProtectionGroup\nname: mine\nregion: us-west-2\nservers: [s-00000000000000004]\n"
    (with_payroll.plans / "groups" / "hidden.yaml").write_text(PAY)

    answer = with_payroll.client().post("/api/v1/recovery-plans/validate", json={"text": text}).json()

    said = "s-00000000000000004 is in a group that you may not read: a server belongs to one group"
    assert [problem["what"] for problem in answer["problems"]] == [said]


def test_who_may_read_all_is_told_all(with_payroll):
    with_payroll.readable = {"*"}

    rows = {row["hostname"]: row for row in with_payroll.client().get("/api/v1/source-servers").json()["servers"]}

    assert rows["web1"]["problems"] == ["is in 2 groups, payroll and shop-db: a server belongs to one"]
    assert (rows["web1"]["plans"], rows["web1"]["objective_seconds"]) == (["pay", "shop"], 60.0)


def test_a_server_that_another_group_takes_meanwhile_is_not_taken_too(console, monkeypatch):
    """Both have looked at the files before either of them has written."""
    client = console.client()
    both_have_looked = threading.Barrier(2)
    locked = save.locked

    def waits(folder):
        both_have_looked.wait(10)
        return locked(folder)

    monkeypatch.setattr(save, "locked", waits)
    answers = []

    def create(name):
        body = {"definition": a_group(name, servers=[f"s-{name}"], select={"tags": {"App": "new"}})}
        body["definition"].pop("servers")
        answers.append(client.post("/api/v1/protection-groups", json=body))

    threads = [threading.Thread(target=create, args=(name,)) for name in ("first", "second")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answer.status_code for answer in answers) == [201, 409], [answer.text for answer in answers]
    assert len(console.audit) == 1


def test_a_right_that_ends_before_the_change_is_made_ends_the_change(console, monkeypatch):
    """Another plan takes the group over while the request waits for the files."""
    group, headers = read(console.client(), "other")
    locked = save.locked

    def taken_over(folder):
        (folder / "pay.yaml").write_text(PLAN.replace("shop-db", "other").replace("name: shop", "name: pay"))
        return locked(folder)

    monkeypatch.setattr(save, "locked", taken_over)
    wanted = {**group["definition"], "description": "mine"}

    assert console.client().put("/api/v1/protection-groups/other", json=wanted, headers=headers).status_code == 403
    assert console.client().delete("/api/v1/protection-groups/other", headers=headers).status_code in {403, 404}
    assert console.audit == []


def test_what_could_not_be_compared_is_said(console):
    silent = FakeAccount("999922223333", "eu-west-1", error=AccessDenied("DescribeSourceServers", "Denied", "no"))
    console.accounts["other", "eu-west-1"] = silent
    console.more = (("other", "eu-west-1"),)
    client = console.client()

    here = client.post("/api/v1/protection-groups", json={"definition": a_group(servers=["s-00000000000000004"])})
    there = a_group("there", region="eu-west-1", aws_conn_id="other", select={"tags": {"App": "x"}})
    answer = client.post("/api/v1/protection-groups", json={"definition": there})

    assert (here.status_code, here.json()["warnings"]) == (201, [])
    (warning,) = answer.json()["warnings"]
    assert warning.startswith(
        "not compared with other groups: eu-west-1 of connection other: DescribeSourceServers: Denied"
    )


def test_a_change_without_a_line_in_the_audit_log_is_not_made(console):
    def fails(_event, _extra):
        raise RuntimeError("the database is gone")

    object.__setattr__(console.sources.access, "audit", lambda: fails)
    before = files(console)
    group, headers = read(console.client(), "other")
    wanted = {**group["definition"], "description": "x"}

    answer = console.client().put("/api/v1/protection-groups/other", json=wanted, headers=headers)

    assert answer.status_code == 500
    assert files(console) == before


@pytest.mark.parametrize("method", ["put", "delete"])
def test_a_line_of_a_change_that_failed_after_all_is_followed_by_one_that_says_so(console, monkeypatch, method):
    client = console.client()
    group, headers = read(client, "other")
    wanted = {**group["definition"], "description": "x"}
    before = files(console)

    def fails(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace" if method == "put" else "unlink", fails)
    body = {"json": wanted} if method == "put" else {}
    answer = client.request(method, "/api/v1/protection-groups/other", headers=headers, **body)
    monkeypatch.undo()

    event = "drs_group_changed" if method == "put" else "drs_group_deleted"
    assert answer.status_code == 500
    assert [said for said, _ in console.audit] == [event, "drs_group_not_changed"]
    why = {"event": event, "why": "OSError: [Errno 28] No space left on device"}
    assert console.audit[1][1] == {**console.audit[0][1], **why}
    assert {name: text for name, text in files(console).items() if not name.startswith(".")} == before


def test_a_file_that_people_have_called_otherwise_is_changed_all_the_same(console):
    (console.plans / "groups" / "other.yaml").rename(console.plans / "groups" / "The others (new).yaml")
    client = console.client()
    group, headers = read(client, "other")
    wanted = {**group["definition"], "description": "x"}

    answer = client.put("/api/v1/protection-groups/other", json=wanted, headers=headers)

    assert (answer.status_code, answer.json()["file"]) == (200, "groups/The others (new).yaml")


def test_an_etag_that_a_proxy_has_weakened_is_the_same(console):
    client = console.client()
    group, headers = read(client, "other")
    wanted = {**group["definition"], "description": "x"}

    weak = {"If-Match": f"W/{headers['If-Match']}"}
    assert client.put("/api/v1/protection-groups/other", json=wanted, headers=weak).status_code == 200
    assert client.put("/api/v1/protection-groups/other", json=wanted, headers=weak).status_code == 412


def test_a_preview_says_what_a_definition_selects_and_what_it_takes_from_others(console):
    definition = a_group("shop-db", servers=["s-00000000000000009"], select={"tags": {"App": ["shop", "new"]}})
    found = console.client().post("/api/v1/protection-groups/resolve", json=definition).json()

    assert [row["hostname"] for row in found["servers"]] == ["web1", "new1"]
    assert (found["unknown"], found["conflicts"], found["problems"]) == (["s-00000000000000009"], [], [])

    wrong = {**definition, "regoin": "x", "region": "eu-west-1", "aws_conn_id": "elsewhere"}
    found = console.client().post("/api/v1/protection-groups/resolve", json=wrong).json()
    assert found["problems"] == ["group shop-db: unknown key 'regoin' (did you mean 'region'?)"]


def test_a_group_in_conflict_can_be_changed_where_the_conflict_does_not_grow(console):
    text = SHOP.replace("s-00000000000000001", "s-00000000000000003")
    (console.plans / "groups" / "shop.yaml").write_text(text)
    client = console.client()
    group, headers = read(client, "other")
    assert any("is in group 'shop-db'" in problem for problem in group["problems"])

    wanted = {**group["definition"], "description": "still"}
    assert client.put("/api/v1/protection-groups/other", json=wanted, headers=headers).status_code == 200
