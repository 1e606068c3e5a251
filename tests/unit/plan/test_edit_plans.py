"""Plans changed in their files: what is not changed keeps its comments, order and anchors."""

import copy
from pathlib import Path

import pytest
from drs_provider.plan.edit.files import change_document
from drs_provider.plan.edit.splice import CannotEditError
from drs_provider.plan.yaml_source import read_documents
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[3]
FOLDERS = ("plans", "demo", "tests/e2e/plans", "plugins/drs_provider/starter", "benchmarks")
FILES = sorted(
    path for folder in FOLDERS for path in (ROOT / folder).rglob("*.yaml") if b"kind: RecoveryPlan" in path.read_bytes()
)
SHOP = """# of the shop
kind: RecoveryPlan
name: shop
rto: &goal 45m # agreed
waves:
  # the data first
  - name: database # db
    groups: [shop-db]
    timeout: *goal
  # then what serves
  - name: web
    groups:
      - shop-web # all of it
    after: # the proof
      - {kind: wait, name: settle, for: 5s} # settles
  - name: monitoring
    depends_on: [database] # beside web
# the end
"""


def data_of(content):
    documents, problems = read_documents(Path("f"), content)
    assert problems == []
    return [document.data for document in documents]


def plans_in(content):
    return [data for data in data_of(content) if data["kind"] == "RecoveryPlan"]


def changed(change):
    wanted = copy.deepcopy(data_of(SHOP.encode())[0])
    change(wanted)
    after = change_document(SHOP.encode(), "shop", wanted).decode()
    assert data_of(after.encode()) == [wanted]
    return after


def test_examples_are_found():
    assert {"web-shop.yaml", "hello.yaml"} <= {path.name for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_plan_that_says_the_same_is_the_same_file(path):
    content = path.read_bytes()
    for plan in plans_in(content):
        assert change_document(content, plan["name"], plan) == content


def test_a_wave_that_is_moved_takes_its_comments_along():
    after = changed(lambda plan: plan["waves"].insert(0, plan["waves"].pop(1)))

    assert after.index("# then what serves\n  - name: web") < after.index("# the data first\n  - name: database # db")
    assert sorted(after.splitlines()) == sorted(SHOP.splitlines())


def test_a_changed_wave_beside_a_new_one_keeps_its_comments():
    def change(plan):
        plan["waves"][1]["ready"] = "launched"
        plan["waves"].insert(1, {"name": "cache", "groups": ["shop-cache"]})
        plan["waves"].append({"name": "last", "groups": ["shop-last"]})

    after = changed(change)

    assert [line for line in SHOP.splitlines() if line not in after.splitlines()] == []


def test_a_renamed_wave_keeps_the_rest_of_its_lines():
    def change(plan):
        plan["waves"][0]["name"] = "data"
        plan["waves"][2]["depends_on"] = ["data"]

    after = changed(change)

    assert "  - name: data # db\n" in after
    assert "depends_on: [data] # beside web" in after
    assert sum(left != right for left, right in zip(SHOP.splitlines(), after.splitlines(), strict=True)) == 2


def test_what_an_alias_means_stays_where_its_anchor_changes():
    after = changed(lambda plan: plan.update(rto="1h"))

    assert "rto: &goal 1h # agreed\n" in after or "rto: 1h # agreed\n" in after
    assert data_of(after.encode())[0]["waves"][0]["timeout"] == "45m"


def test_a_wave_that_goes_takes_nothing_else():
    after = changed(lambda plan: plan["waves"].pop(1))

    gone = ["  - name: web", "    groups:", "      - shop-web # all of it", "    after: # the proof"]
    assert [line for line in SHOP.splitlines() if line not in after.splitlines()] == [
        *gone, "      - {kind: wait, name: settle, for: 5s} # settles",
    ]  # fmt: skip


NAMES = st.sampled_from(["database", "web", "new-1", "new-2", "app"])
STEPS = st.fixed_dictionaries({"kind": st.just("wait"), "name": NAMES, "for": st.sampled_from(["5s", "on", "'x'"])})
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=12)
EDITS = st.one_of(
    st.tuples(st.just("move"), st.integers(0, 5), st.integers(0, 5)),
    st.tuples(st.just("drop"), st.integers(0, 5)),
    st.tuples(st.just("add"), st.integers(0, 5), NAMES),
    st.tuples(st.just("set"), st.integers(0, 5), st.sampled_from(["ready", "timeout", "description"]), TEXTS),
    st.tuples(st.just("step"), st.integers(0, 5), STEPS),
    st.tuples(st.just("depend"), st.integers(0, 5), st.lists(NAMES, max_size=2)),
    st.tuples(st.just("plan"), st.sampled_from(["title", "owner", "rto", "description"]), TEXTS),
)


def edit(plan, what, *values):
    waves = plan["waves"]
    at = values[0] % len(waves) if waves and isinstance(values[0], int) else 0
    if what == "plan":
        plan[values[0]] = values[1]
    elif what == "add":
        waves.insert(at, {"name": values[1], "groups": []})
    elif not waves:
        return
    elif what == "move":
        waves.insert(values[1] % len(waves), waves.pop(at))
    elif what == "drop":
        del waves[at]
    elif what == "set":
        waves[at][values[1]] = values[2]
    elif what == "step":
        waves[at]["after"] = [*waves[at].get("after", []), values[1]]
    else:
        waves[at]["depends_on"] = values[1]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(FILES), st.lists(EDITS, min_size=1, max_size=4), st.randoms())
def test_any_edits_of_any_example_change_the_plan_and_nothing_else(path, edits, random):
    content = path.read_bytes()
    before = data_of(content)
    plan = copy.deepcopy(random.choice(plans_in(content)))
    original = copy.deepcopy(plan)
    for change in edits:
        edit(plan, *change)

    try:
        after = change_document(content, plan["name"], plan)
    except CannotEditError:
        return  # refused, with the reason: nothing was written

    assert data_of(after) == [plan if data == original else data for data in before]
    if all(change[0] in {"move", "set", "plan"} for change in edits):
        comments = [line for line in content.decode().splitlines() if line.strip().startswith("#")]
        assert [line for line in comments if line not in after.decode().splitlines()] == []
