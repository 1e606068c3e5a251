"""The plan editor in a real browser, in a frame with the sandbox that Airflow gives it."""

from pathlib import Path

import pytest
from drs_provider.plan.loader import read_folder
from kit.browser import CHROMIUM
from kit.console import Console, FakeAccount, server
from kit.framed_page import driven

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")]

EVIL = "<img src=x onerror=parent.document.title='evil'>"
GROUPS = """kind: ProtectionGroup
name: shop-db
region: us-west-2
servers: [s-00000000000000001]
---
kind: ProtectionGroup
name: shop-web
region: us-west-2
servers: [s-00000000000000002]
"""
SHOP = f"""# of the shop
kind: RecoveryPlan
name: shop
title: "{EVIL}"
drill: {{network: shared}} # no network of its own
waves:
  # the data first
  - name: database
    groups: [shop-db] # db
  - name: web
    groups: [shop-web]
    after:
      - {{kind: http, name: "answers", url: "https://shop.example", expect_status: 200}} # proof
"""
HELPERS = """
const at = (selector) => until(() => page().querySelector(selector));
const set = async (selector, text, event = "input") => {
  const field = await at(selector);
  field.value = text;
  field.dispatchEvent(new Event(event, { bubbles: true }));
};
const choose = (number) => page().querySelector(`#graph g.wave:nth-of-type(${number})`)
  .dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
const title = () => page().querySelector("h1").textContent;
const change = async (fields) => {
  const read = await fetch("api/v1/recovery-plans/shop/definition");
  const headers = { "Content-Type": "application/json", "If-Match": read.headers.get("ETag") };
  await fetch("api/v1/recovery-plans/shop", { method: "PATCH", body: JSON.stringify(fields), headers });
};
const problems = () => page().getElementById("problems").textContent;
const settled = async (words) => { await until(() => problems().includes(words)); return problems(); };
const group = async (name) => { await set("#wave input[list]", name); await press("Add group"); };
"""


@pytest.fixture
def console(tmp_path: Path) -> Console:
    plans = tmp_path / "plans"
    plans.mkdir()
    (plans / "groups.yaml").write_text(GROUPS)
    (plans / "shop.yaml").write_text(SHOP)
    accounts = {("aws_default", "us-west-2"): FakeAccount(servers=[server(1, "db1"), server(2, EVIL)])}
    return Console(plans, accounts, readable={"*"}, editable={"*"})


def test_a_plan_of_two_waves_is_built_an_error_met_and_mended(console, tmp_path):
    lines = driven(
        console,
        tmp_path,
        "plan-editor",
        HELPERS
        + """
        await at("#add-wave"); await settled("plan");
        type("name", "two-tier");
        await press("Add wave"); await set("#wave [data-where$='.name']", "database", "change"); await group("shop-db");
        await press("Add wave"); await set("#wave [data-where$='.name']", "web", "change"); await group("shop-wbe");
        log(await settled("shop-wbe"));
        await press("Remove"); await group("shop-web");
        log(await settled("None"));
        log([...page().querySelectorAll("#graph .wave-name")].map((name) => name.textContent).join("|"));
        await press("Review and save …");
        await until(() => page().getElementById("diff").textContent.includes("+++ b/two-tier.yaml"));
        await press("Save");
        log(await until(() => title() === "two-tier" && page().querySelectorAll("#graph g.wave").length));
        """,
    )

    wrong, good, names, waves = lines
    assert wrong.startswith(
        "two-tier.yaml:9:9: waves.web.groups[0]: no group called 'shop-wbe' (did you mean 'shop-web'?)"
    )
    assert (good, names, waves) == ("None: this is what drs validate says too.", "database|web", "2")
    assert (console.plans / "two-tier.yaml").read_text() == (
        "kind: RecoveryPlan\nname: two-tier\nwaves:\n  - name: database\n    groups:\n      - shop-db\n"
        "  - name: web\n    groups:\n      - shop-web\n"
    )
    assert set(read_folder(console.plans).plans) == {"shop", "two-tier"}


def test_what_nobody_changes_stays_and_a_moved_wave_keeps_its_lines(console, tmp_path):
    lines = driven(
        console,
        tmp_path,
        "plan-editor?name=shop",
        HELPERS
        + """
        await settled("None");
        log(field("sections") && page().querySelector("[data-where='plan.title']").value);
        await set("[data-where='plan.rto']", "45m");
        choose(2);
        await press("Earlier");
        await settled("None");
        await press("Review and save …");
        await until(() => page().querySelector("dialog[open]"));
        await press("Save");
        log(await until(() => page().getElementById("saved") && title()));
        """,
    )

    assert lines == [EVIL, EVIL]
    after = (console.plans / "shop.yaml").read_text()
    assert sorted(after.splitlines()) == sorted([*SHOP.splitlines(), "rto: 45m"])
    assert after.index("- name: web") < after.index("  # the data first\n  - name: database")


def test_who_is_slower_is_told_what_has_changed(console, tmp_path):
    lines = driven(
        console,
        tmp_path,
        "plan-editor?name=shop",
        HELPERS
        + """
        await settled("None");
        await change({ owner: "others" });
        await set("[data-where='plan.rto']", "45m");
        await press("Review and save …");
        log(await until(said));
        """,
    )

    (told,) = lines
    assert told.startswith("Somebody has changed the file since you opened this page. Nothing was saved: ")
    assert told.endswith('owner: was not there, is now "others"')
    assert "rto" not in (console.plans / "shop.yaml").read_text()


def test_whoever_leaves_with_something_unsaved_is_asked_on_the_page(console, tmp_path):
    lines = driven(
        console,
        tmp_path,
        "plan-editor?name=shop",
        HELPERS
        + """
        await at("#wave input[data-where$='.name']"); await settled("None");
        const leave = () => page().getElementById("leave").open;
        const to = () => page().querySelector("main > p a[href='plans']");
        await press("Add wave");
        to().click();
        log(leave());
        await press("Stay here");
        log(`${leave()} ${page().querySelector("h1").textContent}`);
        to().click();
        await press("Leave without saving");
        log(await until(() => page().getElementById("plan-editor") === null));
        """,
    )

    assert lines == ["true", "false Edit plan shop", "true"]


def test_what_was_pressed_keeps_the_focus_when_the_form_is_drawn_anew(console, tmp_path):
    lines = driven(
        console,
        tmp_path,
        "plan-editor?name=shop",
        HELPERS
        + """
        await at("#wave"); await settled("None");
        const focus = () => page().activeElement.getAttribute("aria-label") || page().activeElement.textContent;
        const pressing = (selector) => { const one = page().querySelector(selector); one.focus(); one.click(); };
        choose(1);
        pressing("#wave [aria-label='Move the wave one place later']");
        log(focus());
        pressing("#wave [aria-label='Move the wave one place earlier']");
        log(focus());
        const box = () => page().querySelector("#wave fieldset:nth-of-type(2) input[type=checkbox]");
        box().focus(); box().click();
        log(page().activeElement === box());
        """,
    )

    assert lines == ["Move the wave one place earlier", "Move the wave one place later", "true"]


def test_the_runbook_opens_in_a_tab_of_its_own_where_a_frame_lets_nothing_print(console, tmp_path):
    lines = driven(
        console,
        tmp_path,
        "plan-runbook?name=shop",
        """
        document.addEventListener("click", (event) => event.preventDefault());
        HTMLAnchorElement.prototype.click = function () {
          const { pathname, hash } = new URL(this.href);
          log(`${this.target} ${this.rel} ${pathname}${hash}`);
        };
        await press("Print");
        """,
    )

    assert lines == ["_blank noopener noreferrer /plan-runbook#print"]
