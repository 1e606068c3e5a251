"""A plan that is written down when a run begins, and when a run needs that."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from drs_provider.plan.loader import read_folder
from drs_provider.plan.snapshot import drawn_text, is_in_need, kept_text, problems_in_the_way, read_drawn, read_kept

PLAN = """\
kind: RecoveryPlan
name: shop
title: "Der Laden 😀 'a: b'"
rto: 45m
drill: {network: shared}
waves:
  - {name: database, groups: [db], tolerate_failures: 10%}
  - name: web
    groups: [web]
    depends_on: []
    before:
      - {kind: lambda, name: say, function: f, payload: {a: [1, 1.5, 1.0e+20, null, true, "0123", "2026-01-01"]}}
      - {kind: wait, name: rest, for: 90s}
"""
DB = "kind: ProtectionGroup\nname: db\nservers: [s-00000000000000001, {id: s-00000000000000002, critical: false}]\n"
WEB = "kind: ProtectionGroup\nname: web\nselect: {tags: {Tier: web}, not: {tags: {Old: '*'}}}\n"
OTHER = "kind: RecoveryPlan\nname: other\nwaves: [{name: one, groups: [web]}]\n"
RUN = "manual__2026-01-31T03:00:00+00:00_\N{WHITE SMILING FACE}\n# x"


@pytest.fixture
def folder(tmp_path):
    plans = tmp_path / "plans"
    (plans / "groups").mkdir(parents=True)
    (plans / "shop.yaml").write_text(PLAN)
    (plans / "groups" / "db.yaml").write_text(DB)
    (plans / "groups" / "web.yaml").write_text(WEB)
    return plans


@pytest.fixture
def shop(folder):
    return read_folder(folder).plans["shop"]


def test_what_is_kept_reads_as_the_same_plan_from_the_same_files(folder, shop):
    kept = read_kept(kept_text(shop, folder, run_id=RUN), "shop", folder)

    assert (kept.runnable, kept.run_id) == (shop, RUN)
    assert kept.runnable.group_paths == {"db": folder / "groups/db.yaml", "web": folder / "groups/web.yaml"}


def test_what_is_kept_is_a_plan_file_that_people_can_use(folder, shop, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "shop.yaml").write_text(kept_text(shop, folder, run_id=RUN))

    library = read_folder(elsewhere)

    assert (library.problems, library.plans["shop"].digest) == ((), shop.digest)


@pytest.mark.parametrize(
    "strange", [r'"\x7f"', r'"a\n---\n%b\n\n c"', r'{"\U0001F600\u2028": "\t- x\r"}', '{"<<": "="}', '{"": []}']
)
def test_no_text_is_too_strange_to_be_kept(folder, strange):
    (folder / "shop.yaml").write_text(PLAN.replace("1.5", strange))
    found = read_folder(folder).plans["shop"]

    assert read_kept(kept_text(found, folder, run_id=RUN), "shop", folder).runnable == found


def test_what_would_not_read_as_the_same_plan_is_not_kept(folder, shop):
    with pytest.raises(ValueError, match="plan shop, written down, does not read as the same plan"):
        kept_text(replace(shop, digest="0" * 64), folder, run_id=RUN)


def garbled(text):
    first, said, *lines = text.split("\n")
    fields = json.loads(said.removeprefix("# "))

    def head(**changed):
        return "\n".join([first, f"# {json.dumps({**fields, **changed})}", *lines])

    def less(key):
        rest = {name: value for name, value in fields.items() if name != key}
        return "\n".join([first, f"# {json.dumps(rest)}", *lines])

    return {
        "nothing": "",
        "one line": first,
        "half": text[: len(text) // 2],
        "no JSON": "\n".join([first, "# {", *lines]),
        "JSON of another kind": "\n".join([first, "# [1]", *lines]),
        "JSON that is too deep": "\n".join([first, "[" * 100_000, *lines]),
        "another digest": head(digest="0" * 64),
        "no digest": less("digest"),
        "no run": less("run"),
        "no file": less("file"),
        "a file that is none": head(file=5),
        "a file somewhere else": head(file="/etc/shop.yaml"),
        "a file above": head(file="../shop.yaml"),
        "groups that are none": head(groups="db"),
        "other groups": head(groups={"db": "groups/db.yaml"}),
        "a group somewhere else": head(groups={"db": "../db.yaml", "web": "groups/web.yaml"}),
        "another plan": text.replace("shop", "stop"),
        "another server": text.replace("00000001", "00000009"),
        "a plan that is none": text.replace("rto", "rot"),
        "no YAML": text.replace("waves:", "waves: ["),
        "one more": text + "---\nkind: Plan\n",
        "a text that is none": text.replace("45m", "\ud800"),
    }


@pytest.mark.parametrize("how", garbled("\n# {}"))
def test_what_is_anything_else_is_as_if_nothing_had_been_kept(folder, shop, how):
    text = garbled(kept_text(shop, folder, run_id="manual__1"))[how]

    assert read_kept(text, "shop", folder) is None


def test_what_is_kept_of_one_plan_is_not_another(folder, shop):
    assert read_kept(kept_text(shop, folder, run_id="manual__1"), "stop", folder) is None


SYNTAX = PLAN.replace("waves:", "waves: [")
CASES = [
    # what is written then (file: text, bytes, None: removed), whether runs need what was kept, whose problems
    pytest.param({}, None, id="nothing has changed"),
    pytest.param({"shop.yaml": PLAN.replace("45m", "50m")}, None, id="edited to something else"),
    pytest.param({"shop.yaml": SYNTAX}, ["shop.yaml"], id="no YAML any more"),
    pytest.param({"shop.yaml": PLAN.replace("45m", "soon")}, ["shop.yaml"], id="against a rule"),
    pytest.param({"shop.yaml": PLAN.replace("kind: Rec", "kind: Ric")}, ["shop.yaml"], id="another kind"),
    pytest.param({"shop.yaml": PLAN.replace("kind: RecoveryPlan", "")}, ["shop.yaml"], id="no kind"),
    pytest.param({"shop.yaml": PLAN.replace("name: shop", "nmae: shop")}, ["shop.yaml"], id="no name"),
    pytest.param({"shop.yaml": PLAN.replace("name: shop", "name shop")}, ["shop.yaml"], id="a name without a colon"),
    pytest.param({"shop.yaml": PLAN.replace("name: shop", "name: sh op")}, ["shop.yaml"], id="no possible name"),
    pytest.param({"shop.yaml": PLAN.replace("name: shop", "name: stop")}, None, id="another name"),
    pytest.param({"shop.yaml": ""}, ["shop.yaml"], id="empty, as while it is saved"),
    pytest.param({"shop.yaml": PLAN.encode("utf-16")}, ["shop.yaml"], id="no UTF-8"),
    pytest.param({"shop.yaml": PLAN + "# " + "x" * 2**21}, ["shop.yaml"], id="too large"),
    pytest.param({"shop.yaml": Path("nowhere.yaml")}, ["shop.yaml"], id="a link to nothing"),
    pytest.param({"shop.yaml": PLAN[:90]}, ["shop.yaml"], id="half"),
    pytest.param({"groups/db.yaml": DB + "x: ["}, ["groups/db.yaml", "shop.yaml"], id="a group that is no YAML"),
    pytest.param({"groups/db.yaml": DB + "x: 1"}, ["groups/db.yaml", "shop.yaml"], id="a group against a rule"),
    pytest.param({"groups/db.yaml": None}, ["shop.yaml"], id="a group that is gone: its plan has a problem"),
    pytest.param({"more.yaml": DB}, ["groups/db.yaml", "shop.yaml"], id="a group of that name in another file"),
    pytest.param({"more.yaml": PLAN}, ["more.yaml", "shop.yaml"], id="a plan of that name in another file"),
    pytest.param(
        {"more.yaml": "kind: ProtectionGroup\nname: more\nservers: [s-00000000000000001]\n"}, None, id="contested"
    ),
    pytest.param({"shop.yaml": None}, None, id="its file is gone"),
    pytest.param({"shop.yaml": None, "x.yaml": "kind: ["}, None, id="its file is gone, another is broken"),
    pytest.param({"shop.yaml": None, "x.yaml": SYNTAX}, None, id="its file is gone, and broken elsewhere"),
    pytest.param({"shop.yaml": None, "x.yaml": PLAN.replace("45m", "soon")}, ["x.yaml"], id="moved, and wrong there"),
    pytest.param({"shop.yaml": OTHER}, None, id="taken out of its file"),
    pytest.param({"shop.yaml": OTHER + "x: 1\n"}, None, id="taken out, another plan is wrong"),
    pytest.param({"shop.yaml": OTHER + "x: [\n"}, ["shop.yaml"], id="nobody can say whether it was taken out"),
    pytest.param({"shop.yaml": f"{PLAN}---\n{OTHER}x: [\n"}, None, id="it stands beside another that is no YAML"),
    pytest.param({"shop.yaml": f"{SYNTAX}---\n{OTHER}"}, ["shop.yaml"], id="it is no YAML beside another that is fine"),
    pytest.param({"x.yaml": SYNTAX}, None, id="another file is broken"),
]


@pytest.mark.parametrize(("then", "files"), CASES)
def test_runs_need_what_was_kept_while_the_plan_stands_there_and_cannot_be_read(folder, shop, then, files):
    for name, text in then.items():
        file = folder / name
        file.unlink(missing_ok=True)
        if isinstance(text, bytes):
            file.write_bytes(text)
        elif isinstance(text, Path):
            file.symlink_to(text)
        elif text is not None:
            file.write_text(text)

    library = read_folder(folder)

    said = sorted({problem.path.relative_to(folder).as_posix() for problem in problems_in_the_way(library, shop)})
    assert (is_in_need(library, shop), said) == (files is not None, files or [])


def test_a_folder_that_is_gone_leaves_nothing_to_go_on_with(tmp_path, shop):
    assert not is_in_need(read_folder(tmp_path / "nowhere"), shop)


def test_what_a_dag_says_of_its_plan_reads_as_the_same_plan_below_any_folder(folder, shop, tmp_path):
    text = drawn_text(shop, folder)
    gone = tmp_path / "no" / "such" / "folder"

    assert read_drawn(text, "shop", folder) == shop
    found = read_drawn(text, "shop", gone)
    assert (found.plan, found.groups, found.digest) == (shop.plan, shop.groups, shop.digest)
    assert (found.path, found.group_paths["db"]) == (gone / "shop.yaml", gone / "groups" / "db.yaml")


@pytest.mark.parametrize("strange", ["\N{GRINNING FACE}", "\u2028", "\x85", "a: [b", "'\\\"", "%TAG", "---", "\t"])
def test_no_text_is_too_strange_for_a_dag(folder, strange):
    (folder / "shop.yaml").write_text(PLAN.replace("title:", f"description: {json.dumps(strange)}\ntitle:"))
    library = read_folder(folder)
    if found := library.plans.get("shop"):
        assert read_drawn(drawn_text(found, folder), "shop", folder) == found
    else:
        assert library.problems


def test_a_plan_from_elsewhere_is_not_in_its_dag(folder, shop, tmp_path):
    assert drawn_text(shop, tmp_path / "other") is None


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", "7", "[1]", "[[], {}]", '[{"plan": "shop"}]', '"text"', "[" * 100_000, "\ud800"],
)
def test_what_is_anything_else_is_no_plan_of_a_dag(folder, text):
    assert read_drawn(text, "shop", folder) is None


def test_a_dags_plan_that_somebody_has_changed_is_not_believed(folder, shop):
    text = drawn_text(shop, folder)

    assert read_drawn(text.replace("45m", "5m").replace("PT45M", "PT5M"), "shop", folder) in (None, shop)
    assert read_drawn(text, "other", folder) is None
