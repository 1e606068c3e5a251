"""Changes as commits on branches of their own: nothing that is checked out is touched."""

import os
import subprocess
from pathlib import Path

import pytest
from drs_provider.services.groups.branches import GitBranches, is_branch_prefix
from drs_provider.services.groups.files import FolderReadOnlyError
from drs_provider.services.groups.save import PLANS, DocumentEditor
from kit.console import Console

PLAN = """# kept
kind: RecoveryPlan
name: shop
drill: {network: shared}
waves: [{name: a, before: [{kind: wait, name: w, for: 5s}]}]
"""


def git(folder, *words):
    env = {
        **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True, env=env).stdout


@pytest.fixture
def plans(tmp_path: Path) -> Path:
    folder = tmp_path / "repository" / "dr" / "plans"
    folder.mkdir(parents=True)
    (folder / "shop.yaml").write_text(PLAN)
    root = tmp_path / "repository"
    git(root, "init", "-q", "-b", "main")
    git(root, "add", ".")
    git(root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "first")
    return folder


def editor(plans, lines, person="olga <op>"):
    branches = GitBranches(plans, "drs-console", person)
    return DocumentEditor(plans, True, lambda event, line: lines.append((event, line)), PLANS, branches)


def change(plans, lines, **fields):
    definition = {
        "kind": "RecoveryPlan",
        "name": "shop",
        "drill": {"network": "shared"},
        "waves": [{"name": "a", "before": [{"kind": "wait", "name": "w", "for": "5s"}]}],
        **fields,
    }
    return editor(plans, lines).change("shop", definition, read=lambda _: None, check=lambda _: None)


def state_of(plans):
    return (
        git(plans, "status", "--porcelain"),
        git(plans, "rev-parse", "HEAD", "main"),
        (plans / "shop.yaml").read_text(),
    )


def test_a_change_is_a_commit_on_a_branch_and_nothing_else_moves(plans):
    before, lines = state_of(plans), []

    saved = change(plans, lines, rto="1h")

    assert (saved.is_saved, saved.why_not) == (
        False,
        f"it is committed on branch {saved.branch}: it counts once it is merged",
    )
    assert saved.branch.startswith("drs-console/shop-")
    assert git(plans, "show", f"{saved.branch}:dr/plans/shop.yaml") == f"{PLAN}rto: 1h\n"
    assert git(plans, "log", "-1", "--format=%an|%cn|%s|%P", saved.branch).strip() == (
        f"olga op|drs console|Changed plan shop|{git(plans, 'rev-parse', 'main').strip()}"
    )
    assert git(plans, "diff", "--stat", "main", saved.branch).count("|") == 1
    assert state_of(plans) == before
    assert [(event, line["branch"]) for event, line in lines] == [("drs_plan_changed", saved.branch)]


def test_a_new_plan_and_one_that_goes_are_commits_too(plans):
    lines = []
    new = {
        "kind": "RecoveryPlan",
        "name": "new",
        "drill": {"network": "shared"},
        "waves": [{"name": "a", "before": [{"kind": "wait", "name": "w", "for": "5s"}]}],
    }

    created = editor(plans, lines).create(new, "deep/new.yaml", check=lambda _: None)
    deleted = editor(plans, lines).delete("shop", read=lambda _: None, check=lambda _: None)

    assert "name: new" in git(plans, "show", f"{created.branch}:dr/plans/deep/new.yaml")
    assert git(plans, "ls-tree", "-r", "--name-only", "--full-tree", deleted.branch) == ""
    assert (plans / "shop.yaml").exists()
    assert not (plans / "deep").exists()


def test_what_is_not_committed_yet_is_not_committed_along(plans):
    (plans / "shop.yaml").write_text(f"{PLAN}# by hand\n")
    lines = []

    saved = change(plans, lines, rto="1h")

    assert (saved.is_saved, saved.branch) == (False, "")
    assert saved.why_not == "shop.yaml is not as it is committed: commit what is changed in it first"
    assert git(plans, "branch", "--format=%(refname:short)").split() == ["main"]
    assert lines == []


def test_no_program_of_the_repository_runs(plans, tmp_path):
    hooks = Path(git(plans, "rev-parse", "--git-path", "hooks").strip())
    hooks = hooks if hooks.is_absolute() else plans / hooks
    hooks.mkdir(exist_ok=True)
    for name in ("reference-transaction", "post-index-change", "pre-commit"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (hooks / name).chmod(0o755)
    git(plans, "config", "filter.evil.clean", f"touch {tmp_path}/ran; cat")
    (plans.parents[1] / ".git" / "info").mkdir(exist_ok=True)
    (plans.parents[1] / ".git" / "info" / "attributes").write_text("*.yaml filter=evil\n")

    assert change(plans, [], rto="1h").branch
    assert not (tmp_path / "ran").exists()


def test_a_folder_that_is_no_checkout_gives_the_patch(tmp_path):
    plans = tmp_path / "plans"
    plans.mkdir()
    (plans / "shop.yaml").write_text(PLAN)

    saved = change(plans, [], rto="1h")

    assert (saved.is_saved, saved.branch) == (False, "")
    assert saved.why_not.startswith("nothing can be committed here: ")
    assert "+rto: 1h\n" in saved.diff


def test_a_branch_that_is_there_already_is_not_moved(plans):
    branches = GitBranches(plans, "drs-console", "olga")
    branch = branches.prepare(plans / "shop.yaml", PLAN.encode(), b"kind: x\n", "Changed")
    branch.create()

    assert branch.is_there()
    branch.create()  # the same commit once more is as good
    git(plans, "update-ref", f"refs/heads/{branch.name}", "main")
    with pytest.raises(FolderReadOnlyError, match=f"^branch {branch.name} cannot be made: "):
        branch.create()
    with pytest.raises(FolderReadOnlyError, match="is not as it is committed"):
        branches.prepare(plans / "shop.yaml", b"other", None, "Changed")


def test_what_git_refuses_is_said_and_the_change_is_given_as_a_patch(plans):
    git(plans, "branch", "drs-console")
    lines = []

    saved = change(plans, lines, rto="1h")

    assert (saved.is_saved, saved.branch, saved.diff.startswith("--- a/shop.yaml")) == (False, "", True)
    assert saved.why_not.startswith("branch drs-console/shop-")
    assert [event for event, _ in lines] == ["drs_plan_changed", "drs_plan_not_changed"]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("drs-console", True),
        ("a/b_c", True),
        ("", False),
        ("-x", False),
        ("a..b", False),
        ("a b", False),
        ("/a", False),
        ("a/", False),
    ],
)
def test_what_branches_may_be_called(text, is_one):
    assert is_branch_prefix(text) is is_one


def test_the_console_commits_where_the_setting_says_so(plans):
    console = Console(plans, readable={"*"}, editable={"*"}, branches="drs-console")
    client = console.client()
    headers = {"If-Match": client.get("/api/v1/recovery-plans/shop/definition").headers["etag"]}

    answer = client.patch("/api/v1/recovery-plans/shop", json={"rto": "1h"}, headers=headers).json()

    assert (answer["is_saved"], answer["branch"].startswith("drs-console/shop-")) == (False, True)
    console.branches = "not a branch"
    refused = client.patch("/api/v1/recovery-plans/shop", json={"rto": "1h"}, headers=headers)
    assert (refused.status_code, "DRS_EDIT_PLANS" in refused.json()["detail"]) == (409, True)
