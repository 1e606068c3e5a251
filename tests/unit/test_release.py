"""What .ci/release refuses before it makes anything, and what the workflows of the repository's host call."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import drs_provider
import pytest
import yaml
from drs_provider.provider_info import get_provider_info
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


VERSIONS = {
    folder: tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    for folder in (".", "simulator")
}


def test_a_version_is_the_same_wherever_it_stands():
    assert drs_provider.__version__ == VERSIONS["."]
    assert get_provider_info()["versions"] == [VERSIONS["."]]
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert Requirement(extra["simulator"][0]).specifier.contains(VERSIONS["simulator"])


@pytest.fixture
def checkout(tmp_path):
    """What the script looks at before it makes anything; no Makefile, so it makes nothing."""
    for name in (".ci/release", "pyproject.toml", "simulator/pyproject.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n## 0.0.1 - 2026-01-01\n")
    return tmp_path


@pytest.mark.parametrize(
    ("tag", "code", "words"),
    [
        ("0.1.0", 2, "0.1.0 is no tag of a release: v0.2.0, or simulator-v0.2.0\n"),
        ("v99.0.0", 1, f"v99.0.0 says 99.0.0, ./pyproject.toml says {VERSIONS['.']}\n"),
        ("simulator-v9.0", 1, f"simulator-v9.0 says 9.0, simulator/pyproject.toml says {VERSIONS['simulator']}\n"),
        (
            f"v{VERSIONS['.']}",
            1,
            f"CHANGELOG.md has no section '## {VERSIONS['.']} - YYYY-MM-DD': rename Unreleased\n",
        ),
    ],
)
def test_a_tag_that_is_not_what_is_here_is_refused(tag, code, words, checkout):
    done = subprocess.run([checkout / ".ci" / "release", tag], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (code, words)
    assert not (checkout / "dist").exists()


def test_a_rehearsal_forgives_the_changelog_and_no_wrong_version(checkout):
    def release(tag):
        command = [checkout / ".ci" / "release", "--rehearsal", tag]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert release("v99.0.0").stderr == f"v99.0.0 says 99.0.0, ./pyproject.toml says {VERSIONS['.']}\n"
    begun = release(f"v{VERSIONS['.']}")
    assert begun.returncode != 0  # there is no Makefile here
    assert "CHANGELOG" not in begun.stderr
    assert "No rule to make target" in begun.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_no_right_that_no_job_asks_for_and_calls_scripts_that_are_there(path):
    flow = yaml.safe_load(path.read_text(encoding="utf-8"))

    assert set((flow["permissions"] or {}).values()) <= {"read"}
    for job in flow["jobs"].values():
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            for script in re.findall(r"\.ci/\w+", step.get("run", "")):
                assert (ROOT / script).is_file()


def test_only_the_job_that_publishes_may_ask_for_a_token_of_the_index():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))["jobs"]
    rights = {
        name: {right for right, kind in job["permissions"].items() if kind == "write"} for name, job in jobs.items()
    }

    assert rights == {
        "build": set(),
        "attest": {"id-token", "attestations"},
        "publish": {"id-token"},
        "announce": {"contents"},
    }
    assert [name for name, job in jobs.items() if job.get("environment")] == ["publish"]


def test_forms_for_issues_ask_for_something_and_name_no_field_twice():
    for path in sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")):
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        if path.stem == "config":
            assert form == {"blank_issues_enabled": False}
            continue
        ids = [field["id"] for field in form["body"] if field["type"] != "markdown"]
        assert len(ids) == len(set(ids))
        assert any(field.get("validations", {}).get("required") for field in form["body"])


def test_the_changelog_has_the_sections_of_keep_a_changelog():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    known = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Upgrade note"}

    assert re.findall(r"(?m)^## (.+)$", text)[0] == "Unreleased"
    for section in re.split(r"(?m)^## ", text)[1:]:
        heads = re.findall(r"(?m)^### (.+)$", section)
        assert set(heads) <= known
        assert len(heads) == len(set(heads))
