"""A plans folder is read whole; what is broken breaks itself only."""

import copy
import os
import pickle
from pathlib import Path

import pytest
from drs_provider.plan.loader import plan_files, plans_folder_of, read_folder, read_one, read_paths
from kit.plan_files import GROUPS, PLAN, WAVES, read_beside_groups

SHARED = "drill: {network: shared}\n"
GOOD = PLAN + SHARED + WAVES


@pytest.fixture
def folder(tmp_path):
    plans = tmp_path / "plans"
    (plans / "groups").mkdir(parents=True)
    (plans / "groups" / "groups.yaml").write_text(GROUPS)
    (plans / "good.yaml").write_text(GOOD)
    return plans


def test_a_broken_document_leaves_the_other_documents_of_its_file_alone(tmp_path):
    library = read_beside_groups(tmp_path, f"kind: RecoveryPlan\nname: [\n---\n{GOOD}---\nkind: Plan\n")

    assert list(library.plans) == ["p"]
    assert [(problem.line, problem.what) for problem in library.problems] == [
        (3, "a value is missing here, or it wants quotes"),
        (9, "no kind called 'Plan'"),
    ]


def test_an_open_quote_ends_with_its_document(tmp_path):
    library = read_beside_groups(tmp_path, f'kind: RecoveryPlan\nname: "open\n---\n{GOOD}')

    assert list(library.plans) == ["p"]


@pytest.mark.parametrize(
    "text", [f"---\n{GOOD}---\n", f"# plans\n---\n{GOOD}...\n", f"\ufeff{GOOD}", GOOD.replace("\n", "\r\n")]
)
def test_empty_documents_markers_and_line_ends_do_not_matter(tmp_path, text):
    library = read_beside_groups(tmp_path, text)

    assert (library.problems, list(library.plans)) == ((), ["p"])


def test_a_problem_of_one_file_is_found_by_its_path(folder):
    broken = folder / "broken.yaml"
    broken.write_text("kind: RecoveryPlan\nname: q\n")
    library = read_folder(folder)

    assert list(library.plans) == ["p"]
    assert library.problems_of(broken) == library.problems
    assert library.problems_of(folder / "good.yaml") == ()
    assert dict(library.broken_plans) == {"q": (broken,)}


def test_a_folder_that_is_not_there_is_a_problem(tmp_path):
    library = read_folder(tmp_path / "plans")

    assert [str(problem) for problem in library.problems] == [
        f"{tmp_path}/plans:1:1: plans folder: there is no such folder (set DRS_PLANS_FOLDER to the plans)"
    ]


def test_an_empty_folder_has_no_plans_and_no_problem(tmp_path):
    assert read_folder(tmp_path).problems == ()


def test_files_at_any_depth_count_and_hidden_ones_do_not(tmp_path):
    for name in ("b.yml", "a/b/c.yaml", "a/readme.md", ".hidden.yaml", ".git/x.yaml", "schema/plan.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")

    assert plan_files(tmp_path) == [tmp_path / "a/b/c.yaml", tmp_path / "b.yml"]


def test_a_mounted_config_map_is_read_once(tmp_path):
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "plan.yaml").write_text(GOOD + "---" + GROUPS)
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "plan.yaml").symlink_to("..data/plan.yaml")

    library = read_folder(tmp_path)

    assert (library.problems, list(library.plans)) == ((), ["p"])


def test_a_link_to_nothing_is_a_problem_of_its_own(folder):
    (folder / "gone.yaml").symlink_to("nowhere.yaml")
    library = read_folder(folder)

    assert [problem.what for problem in library.problems] == ["cannot be read: No such file or directory"]
    assert list(library.plans) == ["p"]


def test_a_single_file_finds_its_groups_in_the_plans_folder_around_it(folder):
    (folder / "broken.yaml").write_text("kind: Plan\n")
    library = read_paths([folder / "good.yaml"])

    assert (library.problems, list(library.plans)) == ((), ["p"])


def test_a_file_outside_of_any_plans_folder_finds_its_groups_beside_it(tmp_path):
    (tmp_path / "x.yaml").write_text(GOOD)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "g.yaml").write_text(GROUPS)

    assert read_paths([tmp_path / "x.yaml"]).problems == ()


def test_the_named_plans_folder_goes_before_the_nearest_one(folder):
    inner = folder / "team" / "plans"
    inner.mkdir(parents=True)
    (inner / "x.yaml").write_text(GOOD.replace("name: p", "name: q"))

    assert [problem.what for problem in read_paths([inner / "x.yaml"]).problems] == ["no group called 'g1'"]
    assert read_paths([inner / "x.yaml"], plans_folder=folder).problems == ()


def test_a_file_that_is_named_twice_is_read_once(folder, monkeypatch):
    monkeypatch.chdir(folder)

    assert read_paths([Path("good.yaml"), folder / "good.yaml", folder]).problems == ()


def test_a_relative_path_stays_relative_in_messages(folder, monkeypatch):
    monkeypatch.chdir(folder / "groups")
    Path("x.yaml").write_text("kind: Plan\n")

    assert [str(problem.path) for problem in read_paths([Path("x.yaml")]).problems] == ["x.yaml"]
    assert plans_folder_of(Path("x.yaml"), None) == Path(os.pardir)


def test_one_plan_is_the_same_however_it_is_read(folder):
    assert read_one(folder, "p") == read_folder(folder).plans["p"]


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("name: p", 'name: "p"'),
        GOOD.replace("name: p", "name:\n  p"),
        GOOD.replace("name: p", r'name: "\x70"'),
        GOOD.replace("name: p", "? name\n: p"),
        "{kind: RecoveryPlan, name: p, drill: {network: shared}, waves: [{name: a, groups: [g1]}]}",
        GOOD.replace("name: p", "owner: &n p\nname: *n"),
    ],
)
def test_one_plan_is_found_however_its_name_is_written(folder, text):
    (folder / "good.yaml").write_text(text)

    assert read_folder(folder).plans["p"] == read_one(folder, "p")


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(GOOD, id="the same plan again"),
        pytest.param("kind: ProtectionGroup\nname: g1\nservers: [s-00000000000000009]\n", id="the same group again"),
    ],
)
def test_one_plan_is_none_where_nobody_knows_which_is_meant(folder, more):
    (folder / "more.yaml").write_text(more)

    assert read_one(folder, "p") is None
    assert "p" not in read_folder(folder).plans


@pytest.mark.parametrize("name", ["q", "a", "g1", "", "(", "p\n"])
def test_a_plan_that_is_not_there_is_none(folder, name):
    assert read_one(folder, name) is None


def test_one_plan_does_not_care_for_files_that_are_broken(folder):
    (folder / "broken.yaml").write_text('kind: RecoveryPlan\nname: "open')
    (folder / "gone.yaml").symlink_to("nowhere.yaml")

    assert read_one(folder, "p") is not None


def test_one_plan_is_read_without_groups_that_it_does_not_use(folder):
    # Whoever adds a conflicting group somewhere else must not stop a run that goes on.
    (folder / "other.yaml").write_text("kind: ProtectionGroup\nname: other\nservers: [s-00000000000000001]\n")

    assert list(read_folder(folder).plans) == []
    assert read_one(folder, "p") is not None


def test_a_plan_and_its_groups_can_be_copied_and_sent(folder):
    plan = read_folder(folder).plans["p"]

    assert copy.deepcopy(plan) == plan
    assert pickle.loads(pickle.dumps(plan)) == plan  # noqa: S301 - our own bytes


def _fifo(path):
    os.mkfifo(path)


def _device(path):
    path.symlink_to("/dev/zero")


def _outside(path):
    secret = path.parents[1] / "secret.yaml"
    secret.write_text("password: hunter2\n")
    path.symlink_to(secret)


def _huge(path):
    with path.open("wb") as file:
        file.truncate(1 << 40)  # takes no room on the disk, and nobody may try to read it


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_fifo, "is no regular file (remove it: a plan is a file with text)"),
        (_device, "is a link that leads out of the plans folder (put the file itself there)"),
        (_outside, "is a link that leads out of the plans folder (put the file itself there)"),
        (_huge, "is larger than a plan file may be (1099511627776 bytes, at most 4194304) (divide it, or remove it)"),
    ],
)
def test_what_is_no_plan_file_is_not_opened_and_the_others_are_read(folder, make, said):
    make(folder / "odd.yaml")

    library = read_folder(folder)

    assert list(library.plans) == ["p"]
    assert [str(problem).partition(": file: ")[2] for problem in library.problems] == [said]
    assert "hunter2" not in str(library.problems)
    assert read_one(folder, "p") is not None


def test_links_within_the_folder_and_a_folder_that_is_a_link_are_fine(folder, tmp_path):
    """As Kubernetes mounts a ConfigMap, and as git-sync shows a working copy."""
    (folder / ".data").mkdir()
    (folder / "good.yaml").rename(folder / ".data" / "good.yaml")
    (folder / "good.yaml").symlink_to(Path(".data") / "good.yaml")
    (tmp_path / "current").symlink_to(folder)

    assert list(read_folder(tmp_path / "current").plans) == ["p"]


def test_a_file_that_a_person_names_may_lie_behind_a_link(folder, tmp_path):
    (tmp_path / "elsewhere.yaml").write_text(GOOD.replace("name: p", "name: q", 1))
    link = tmp_path / "linked.yaml"
    link.symlink_to(tmp_path / "elsewhere.yaml")

    assert [problem.what for problem in read_paths([link], plans_folder=folder).problems] != [
        "is a link that leads out of the plans folder"
    ]
