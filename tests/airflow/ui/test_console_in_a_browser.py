"""The console's pages in a real browser, in a frame with the sandbox that Airflow gives them."""

import json
from pathlib import Path

import pytest
from drs_provider.services.groups.catalog import read_catalog
from kit.browser import CHROMIUM
from kit.console import Console, FakeAccount, server
from kit.framed_page import driven

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")]

EVIL = "<img src=x onerror=parent.document.title='evil'>"
SHOP = """# of the shop
kind: ProtectionGroup
name: shop-db
region: us-west-2
description: TEXT
servers:
  - s-00000000000000001 # first
  - id: s-00000000000000002
    order: 2
"""
OTHER = "kind: ProtectionGroup\nname: other\nregion: us-west-2\nservers: [s-00000000000000003]\n"


@pytest.fixture
def console(tmp_path: Path) -> Console:
    plans = tmp_path / "plans"
    (plans / "groups").mkdir(parents=True)
    (plans / "shop.yaml").write_text(SHOP.replace("TEXT", f'"{EVIL}"'))
    (plans / "other.yaml").write_text(OTHER)
    servers = [server(1, "db1"), server(2, "db2"), server(3, EVIL, **{EVIL: EVIL}), server(4, "web1")]
    return Console(plans, {("aws_default", "us-west-2"): FakeAccount(servers=servers, points=[POINT])})


POINT = {"timestamp": "2026-11-22T05:05:00Z", "snapshotID": "pit-1"}


def test_a_server_is_added_to_a_group_and_the_file_keeps_all_else(console, tmp_path):
    lines = driven(
        console,
        tmp_path,
        "group?name=shop-db",
        """
        await until(() => page().getElementById("members").children.length === 2);
        log(page().getElementById("description").value);
        type("find", "web1");
        await press("Add");
        await press("Preview");
        log(await until(said));
        await press("Save");
        log(await until(() => page().getElementById("members").children.length === 3));
        """,
    )

    assert lines == [EVIL, "3 servers: db1, db2, web1", "true"]
    assert (console.plans / "shop.yaml").read_text() == SHOP.replace("TEXT", f'"{EVIL}"') + "  - s-00000000000000004\n"


ODD = """kind: ProtectionGroup
name: odd
region: us-west-2
description: |
  Two lines.

  And a third one.
servers: [s-00000000000000001]
select:
  tags:
    cost=center: "12"
    Path: "a|b"
    App: [shop, other]
"""


def test_what_nobody_has_changed_on_the_page_stays_as_it_is(console, tmp_path):
    (console.plans / "shop.yaml").write_text(ODD)
    lines = driven(
        console,
        tmp_path,
        "group?name=odd",
        """
        await until(() => page().getElementById("members").children.length === 1);
        log(JSON.stringify(field("description").value));
        type("find", "web1");
        await press("Add");
        type("tags", `${field("tags").value}\\nTier=web`);
        await press("Save");
        log(await until(() => page().getElementById("members").children.length === 2));
        """,
    )

    assert lines == ['"Two lines.\\n\\nAnd a third one.\\n"', "true"]
    kept = (console.plans / "shop.yaml").read_text()
    group = read_catalog(console.plans).groups["odd"].definition
    assert ODD[: ODD.index("servers")] in kept
    assert group["select"]["tags"] == {"cost=center": "12", "Path": "a|b", "App": ["shop", "other"], "Tier": "web"}


def test_a_conflict_is_met_and_mended_before_a_group_is_created(console, tmp_path):
    lines = driven(
        console,
        tmp_path,
        "group",
        """
        await until(() => page().readyState === "complete" && page().getElementById("editor"));
        type("name", "new"); type("region", "us-west-2"); type("find", "00000003");
        await press("Add");
        await press("Save");
        log(await until(said));
        await press("Remove");
        type("tags", "App=shop|other");
        type("find", "web1");
        await until(() => page().getElementById("found").textContent.includes("web1"));
        await press("Add");
        await press("Save");
        log(await until(() => page().querySelector("h1").textContent === "new"));
        """,
    )

    conflict, is_created = lines
    assert conflict.startswith("servers of it belong to another group; nothing was saved")
    assert conflict.endswith(
        f"{EVIL} (s-00000000000000003) is in group 'other' (other.yaml:1) too: a server belongs to one group"
    )
    assert is_created == "true"
    assert (console.plans / "groups" / "new.yaml").read_text() == (
        "kind: ProtectionGroup\nname: new\nregion: us-west-2\nservers:\n  - s-00000000000000004\nselect:\n  tags:\n"
        "    App:\n      - shop\n      - other\n"
    )


def test_who_was_slower_is_told_what_has_changed(console, tmp_path):
    lines = driven(
        console,
        tmp_path,
        "group?name=other",
        """
        await until(() => page().getElementById("members").children.length === 1);
        const now = await fetch("api/v1/protection-groups/other");
        const wanted = { ...(await now.json()).definition, description: "faster" };
        await fetch("api/v1/protection-groups/other", { method: "PUT", body: JSON.stringify(wanted),
          headers: { "Content-Type": "application/json", "If-Match": now.headers.get("ETag") } });
        type("description", "slower");
        await press("Save");
        log(await until(said));
        """,
    )

    (told,) = lines
    assert told.startswith("Somebody has changed the file since you opened this page. Nothing was saved")
    assert told.endswith('description: was not there, is now "faster"')
    assert "description: faster" in (console.plans / "other.yaml").read_text()


def test_a_server_has_a_page_with_its_recovery_points_and_the_list_searches_in_its_frame(console, tmp_path):
    lines = driven(
        console,
        tmp_path,
        "servers",
        """
        await until(() => page().querySelectorAll("tbody tr").length === 4);
        page().querySelector("tbody a[href^='server?']").click();
        log(await until(() => page().querySelector("#points td") && "points"));
        page().querySelector("a[href='servers']").click();
        await until(() => page().querySelectorAll("tbody tr").length === 4);
        page().querySelector("input[name=q]").value = "web1";
        await press("Filter");
        await until(() => page().querySelectorAll("tbody tr").length === 1);
        log(page().querySelector("tbody b").textContent);
        """,
    )

    assert lines == ["points", "web1"]


def test_a_group_that_was_committed_says_so_and_asks_for_no_patch(console, tmp_path):
    saved = {"is_saved": False, "branch": "drs/other", "why_not": "it is committed", "patch": "+ one line", "file": "f"}
    lines = driven(
        console,
        tmp_path,
        "group?name=other",
        f"""
        await until(() => page().getElementById("members").children.length === 1);
        const frame = document.getElementById("frame").contentWindow, asks = frame.fetch.bind(frame);
        let answer;
        frame.fetch = (path, how) => how?.method === "PUT" ? new Promise((go) => {{ answer = go; }}) : asks(path, how);
        await press("Save");
        await until(() => answer);
        log([...page().querySelectorAll("#editor .actions button")].every((button) => button.disabled));
        answer(new Response({json.dumps(json.dumps(saved))}));
        log(await until(said));
        log(named("Save").disabled);
        """,
    )

    assert lines == ["true", "Committed on branch drs/other: it counts once somebody has merged it.+ one line", "false"]
