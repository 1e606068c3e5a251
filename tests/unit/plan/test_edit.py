"""Groups changed in their files: only what was to be changed is different afterwards."""

import copy
import difflib
from pathlib import Path

import pytest
import yaml
from drs_provider.plan.edit.files import add_document, change_document, is_writable, remove_document
from drs_provider.plan.edit.splice import CannotEditError
from drs_provider.plan.yaml_source import read_documents
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[3]
FILES = sorted([*(ROOT / "plans").rglob("*.yaml"), *(ROOT / "plugins/drs_provider/starter").glob("*.yaml")])
TEXT = """# of the shop
kind: ProtectionGroup   # a kind
name: shop-db
region: &here us-west-2
servers:
  # first
  - s-0123456789abcdef0   # db1
  - id: s-0123456789abcdef1
    order: 2 # second
    launch: {instance_type: r6i.large, copy_tags: true}

  - s-0123456789abcdef2
select:
  tags: {App: shop, Tier: [db, cache]}
launch: &large
  instance_type: m6i.large  # big
drill_launch: *large
# the end
---
kind: ProtectionGroup
name: other
servers: [s-0123456789abcdef7]
"""


def data_of(content):
    documents, problems = read_documents(Path("f"), content)
    assert problems == []
    return [document.data for document in documents]


def changed_lines(before, after):
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def drop_first_server(group):
    del group["servers"][0]


def add_server(group):
    group["servers"].append("s-0123456789abcdef9")


def put_server_first(group):
    group["servers"].insert(0, "s-0123456789abcdef9")


def change_order(group):
    group["servers"][1]["order"] = 5


def drop_from_flow(group):
    del group["servers"][1]["launch"]["instance_type"]


def drop_last_from_flow(group):
    del group["servers"][1]["launch"]["copy_tags"]


def add_to_flow(group):
    group["servers"][1]["launch"]["os_byol"] = False


def change_what_an_alias_means(group):
    group["launch"]["instance_type"] = "m6i.xlarge"


def change_both(group):
    group["launch"]["instance_type"] = group["drill_launch"]["instance_type"] = "m6i.xlarge"


def drop_the_anchor(group):
    del group["launch"]


def add_a_key(group):
    group["description"] = "yes: #1"


def add_to_flow_list(group):
    group["select"]["tags"]["Tier"].insert(1, "on")


def add_below(group):
    group["select"]["not"] = {"tags": {"Dr": "no"}}


def drop_all_servers(group):
    del group["servers"]


def change_the_only_line(group):
    group["servers"] = ["s-0123456789abcdef9"]


CASES = {
    drop_first_server: ["-  - s-0123456789abcdef0   # db1"],
    add_server: ["+  - s-0123456789abcdef9"],
    put_server_first: ["+  - s-0123456789abcdef9"],
    change_order: ["-    order: 2 # second", "+    order: 5 # second"],
    drop_from_flow: [
        "-    launch: {instance_type: r6i.large, copy_tags: true}",
        "+    launch: {copy_tags: true}",
    ],
    drop_last_from_flow: [
        "-    launch: {instance_type: r6i.large, copy_tags: true}",
        "+    launch: {instance_type: r6i.large}",
    ],
    add_to_flow: [
        "-    launch: {instance_type: r6i.large, copy_tags: true}",
        "+    launch: {instance_type: r6i.large, copy_tags: true, os_byol: false}",
    ],
    change_what_an_alias_means: [
        "-  instance_type: m6i.large  # big",
        "-drill_launch: *large",
        "+  instance_type: m6i.xlarge  # big",
        "+drill_launch:",
        "+  instance_type: m6i.large",
    ],
    change_both: ["-  instance_type: m6i.large  # big", "+  instance_type: m6i.xlarge  # big"],
    drop_the_anchor: [
        "-launch: &large",
        "-  instance_type: m6i.large  # big",
        "-drill_launch: *large",
        "+drill_launch:",
        "+  instance_type: m6i.large",
    ],
    add_a_key: ["+description: 'yes: #1'"],
    add_to_flow_list: [
        "-  tags: {App: shop, Tier: [db, cache]}",
        "+  tags: {App: shop, Tier: [db, 'on', cache]}",
    ],
    add_below: ["+  not:", "+    tags:", "+      Dr: 'no'"],
    change_the_only_line: [
        "-  - s-0123456789abcdef0   # db1",
        "-  - id: s-0123456789abcdef1",
        "-    order: 2 # second",
        "-    launch: {instance_type: r6i.large, copy_tags: true}",
        "-",
        "-  - s-0123456789abcdef2",
        "+  - s-0123456789abcdef9",
    ],
}


@pytest.mark.parametrize("change", CASES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "bom"])
def test_a_change_touches_nothing_but_what_it_changes(change, newline, mark):
    before = f"{mark}{TEXT}".replace("\n", newline).encode()
    wanted = copy.deepcopy(data_of(before)[0])
    change(wanted)

    after = change_document(before, "shop-db", wanted)

    assert sorted(changed_lines(before.decode(), after.decode())) == sorted(CASES[change])
    assert data_of(after) == [wanted, data_of(before)[1]]
    assert after.count(b"\r") == (after.count(b"\n") if newline == "\r\n" else 0)


def test_a_list_that_goes_leaves_the_comments_beside_it():
    wanted = data_of(TEXT.encode())[0]
    drop_all_servers(wanted)

    after = change_document(TEXT.encode(), "shop-db", wanted).decode()

    assert "# of the shop\n" in after
    assert "# the end\n" in after
    assert "servers:\n" not in after


def test_the_last_line_needs_no_line_end():
    before = b"kind: ProtectionGroup\nname: a\nservers:\n- s-0123456789abcdef0"
    wanted = {"kind": "ProtectionGroup", "name": "a", "servers": ["s-0123456789abcdef0", "s-0123456789abcdef1"]}

    assert change_document(before, "a", wanted) == before + b"\n- s-0123456789abcdef1"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_example_says_the_same_after_a_change_and_its_opposite(path):
    content = path.read_bytes()
    for group in [found for found in data_of(content) if found["kind"] == "ProtectionGroup"]:
        assert change_document(content, group["name"], group) == content
        with_server = {**group, "servers": [*group.get("servers", []), "s-0123456789abcdef9"]}
        changed = change_document(content, group["name"], with_server)
        assert [line[0] for line in changed_lines(content.decode(), changed.decode())].count("-") == 0
        assert change_document(changed, group["name"], group) == content


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_example_is_as_before_once_an_added_group_is_removed(path):
    content = path.read_bytes()
    group = {"kind": "ProtectionGroup", "name": "added", "servers": ["s-0123456789abcdef9"]}

    assert remove_document(add_document(content, group), "ProtectionGroup", "added") == content


def test_a_removed_group_leaves_the_others_and_what_is_said_before_it():
    first = remove_document(TEXT.encode(), "ProtectionGroup", "shop-db").decode()
    second = remove_document(TEXT.encode(), "ProtectionGroup", "other").decode()

    assert first == "# of the shop\n# the end\n" + TEXT[TEXT.index("---\n") :]
    assert second == TEXT[: TEXT.index("---\n")]
    assert remove_document(second.encode(), "ProtectionGroup", "shop-db") is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"kind: ProtectionGroup\nname: a\nname: a\n", "the file cannot be changed here before it is mended: "),
        (b"kind: ProtectionGroup\nname: b\n", "there are 0 groups called 'a' in this file"),
        (b"kind: ProtectionGroup\nname: a\n---\nkind: ProtectionGroup\nname: a\n", "there are 2 groups called 'a'"),
        (b"kind: [\n", "the file cannot be changed here before it is mended: "),
        (b"\xff\xfe", "the file is not UTF-8 text"),
    ],
)
def test_what_nobody_can_read_is_not_changed(content, why):
    with pytest.raises(CannotEditError) as refused:
        change_document(content, "a", {"kind": "ProtectionGroup", "name": "a"})

    assert str(refused.value).startswith(why)


@pytest.mark.parametrize("value", ["\ud800", float("inf")])
def test_what_no_plan_file_can_hold_is_found(value):
    assert is_writable({"kind": "ProtectionGroup", "name": value}) is False


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=12)
SCALARS = st.one_of(TEXTS, st.integers(-999, 999), st.booleans(), st.sampled_from(["on", "null", "~", "0x1", "a: b"]))
VALUES = st.recursive(
    SCALARS,
    lambda inside: st.one_of(st.lists(inside, max_size=4), st.dictionaries(TEXTS, inside, max_size=4)),
    max_leaves=10,
)
GROUPS = st.dictionaries(st.sampled_from(["servers", "select", "launch", "description", "region"]), VALUES)
HEAD = {"kind": "ProtectionGroup", "name": "a"}


@settings(max_examples=150, deadline=None)
@given(GROUPS, GROUPS, st.sampled_from([None, True, False]))
def test_any_definition_becomes_any_other_one_beside_documents_that_stay(before, after, is_flow):
    first, wanted = {**HEAD, **before}, {**HEAD, **after}
    other = "kind: ProtectionGroup # stays\nname: other\n"
    written = yaml.safe_dump(first, default_flow_style=is_flow, allow_unicode=True, sort_keys=False)
    content = f"{other}---\n# of a\n{written}---\n{other}".encode()
    if not (is_writable(first) and is_writable(wanted)) or data_of(content)[1] != first:
        return

    try:
        changed = change_document(content.replace(b"name: other", b"name: b", 1), "a", wanted)
    except CannotEditError:
        assert is_flow is not False  # in block style there is always a way
        return

    assert data_of(changed)[1] == wanted
    assert changed.startswith(b"kind: ProtectionGroup # stays\nname: b\n---\n# of a\n")
    assert changed.endswith(f"---\n{other}".encode())
