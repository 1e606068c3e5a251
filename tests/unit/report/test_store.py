"""Where a report is written, whole or not at all, and over whose it never is."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from drs_provider.exceptions import ReportOfAnotherRun
from drs_provider.report.measure import measure
from drs_provider.report.store import (
    kept_report,
    read_kept,
    read_report,
    run_folder,
    safe_name,
    stored_reports,
    to_json,
    write_report,
)
from hypothesis import given
from hypothesis import strategies as st
from kit.evidence import a_passed_drill, a_refused_drill, some_facts

REPORT = measure(a_passed_drill())
RUN_ID = REPORT.run.run_id
PLUGINS = Path(__file__).parents[3] / "plugins"


def of_run(run_id: str):
    return measure(a_refused_drill().model_copy(update={"run": some_facts(run_id=run_id)}))


def test_both_files_lie_below_dag_and_run(tmp_path):
    written = write_report(REPORT, tmp_path)

    home = tmp_path / "drs.web-shop" / "scheduled__2026-11-22T05-00-00-00-00-313b0a246b"
    assert (written.json_path, written.html_path) == (str(home / "report.json"), str(home / "report.html"))
    assert (written.verdict, written.reason) == (REPORT.verdict, REPORT.verdict_reason)
    assert sorted(path.name for path in home.iterdir()) == ["report.html", "report.json"]
    assert (home / "report.json").stat().st_mode & 0o777 == 0o640
    assert home.stat().st_mode & 0o777 == 0o750


def test_what_was_written_is_read_back(tmp_path):
    write_report(REPORT, tmp_path)

    assert read_report(tmp_path, "drs.web-shop", RUN_ID) == REPORT
    assert read_report(tmp_path, "drs.web-shop", "another") is None


def test_the_same_run_may_write_again_and_the_last_one_counts(tmp_path):
    write_report(of_run("r1"), tmp_path)
    again = of_run("r1").model_copy(update={"verdict": "failed"})
    write_report(again, tmp_path)

    assert read_report(tmp_path, "drs.web-shop", "r1") == again


def test_checks_take_no_room_from_the_reports_that_count(tmp_path):
    write_report(of_run("manual__2026-11-01T05:00:00+00:00"), tmp_path)
    for hour in range(5):
        facts = some_facts(run_id=f"manual__2026-11-02T0{hour}:00:00+00:00", mode="check")
        write_report(measure(a_refused_drill().model_copy(update={"run": facts})), tmp_path)

    found = list(stored_reports(tmp_path, "drs.web-shop", most=1))

    assert [report.run.run_id for report in found] == ["manual__2026-11-01T05:00:00+00:00"]


def test_another_runs_report_is_never_written_over(tmp_path):
    written = Path(write_report(of_run("r1"), tmp_path).json_path)
    before = written.read_text()
    squatter = tmp_path / "drs.web-shop" / "r2"
    squatter.mkdir()
    (squatter / "report.json").write_text(before)

    with pytest.raises(ReportOfAnotherRun) as caught:
        write_report(of_run("r2"), tmp_path)

    assert str(caught.value) == (
        f"{squatter / 'report.json'} holds the report of drs.web-shop, run r1; the report of run r2 was not written "
        "over it. Move that file away, or point DRS_REPORTS to another folder, and clear the report task"
    )
    assert sorted(path.name for path in squatter.iterdir()) == ["report.json"]
    assert read_report(tmp_path, "drs.web-shop", "r2") is None
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301 - our own bytes


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"run": 3}', "no json"])
def test_a_file_that_is_no_report_is_not_written_over(tmp_path, content):
    home = tmp_path / "drs.web-shop" / "r1"
    home.mkdir(parents=True)
    (home / "report.json").write_text(content)

    with pytest.raises(ReportOfAnotherRun, match="holds a file that is no report; the report of run r1 was not"):
        write_report(of_run("r1"), tmp_path)
    assert (home / "report.json").read_text() == content


def test_a_disk_that_refuses_leaves_no_half_file(tmp_path):
    home = tmp_path / "drs.web-shop" / "r1"
    (home / "report.html").mkdir(parents=True)

    with pytest.raises(OSError, match=r"report\.html"):
        write_report(of_run("r1"), tmp_path)
    assert [path.name for path in home.iterdir()] == ["report.html"]


class Bucket:
    """What an object store's path looks like to us: no rename, no folders."""

    protocol = "s3"

    def __init__(self, files: dict[str, str], key: str) -> None:
        self.files, self.key = files, key

    def __truediv__(self, name: str) -> "Bucket":
        return Bucket(self.files, f"{self.key}/{name}")

    def __str__(self) -> str:
        return self.key

    def mkdir(self, *, parents: bool = False, exist_ok: bool = False) -> None:
        assert (parents, exist_ok) == (True, True)

    def exists(self) -> bool:
        return self.key in self.files

    def read_text(self, encoding: str | None = None) -> str:
        return self.files[self.key]

    def write_text(self, data: str, encoding: str | None = None) -> int:
        self.files[self.key] = data
        return len(data)


def test_an_object_store_gets_the_page_first_and_the_json_last():
    files: dict[str, str] = {}

    written = write_report(of_run("r1"), Bucket(files, "s3://bucket/reports"))

    assert list(files) == [written.html_path, written.json_path]
    assert written.json_path == "s3://bucket/reports/drs.web-shop/r1/report.json"
    assert read_report(Bucket(files, "s3://bucket/reports"), "drs.web-shop", "r1") == of_run("r1")


class LocalStore:
    """Airflow's ObjectStoragePath for ``file://``, as far as it is asked."""

    protocol = "file"

    def __init__(self, path: Path) -> None:
        self.path = str(path)


@pytest.mark.parametrize("spell", [str, lambda path: f"file://{path}", LocalStore, Path])
def test_every_way_to_name_a_local_folder_leads_there(tmp_path, spell):
    assert run_folder(spell(tmp_path), "d", "r") == tmp_path / "d" / "r"


def test_json_is_sorted_and_the_same_for_the_same_run():
    text = to_json(REPORT)

    assert text == to_json(measure(a_passed_drill()))
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert text.endswith("}\n")


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("drs.web-shop", "drs.web-shop"),
        ("manual__2026", "manual__2026"),
        ("..", "-5ec1f7e700"),
        (".", "-cdb4ee2aea"),
        ("a/../b", "a-..-b-900ea8b7e0"),
        ("r" * 250, "r" * 120 + "-fb6d383e11"),
        ("", "-e3b0c44298"),
    ],
)
def test_names_are_safe_on_every_file_system(name, folder):
    assert safe_name(name) == folder


@given(st.lists(st.text(max_size=200), min_size=2, max_size=2, unique=True))
def test_two_ids_never_share_a_folder(names):
    first, second = map(safe_name, names)

    assert first != second
    for made in (first, second):
        assert made.strip(".")
        assert "/" not in made
        assert len(made.encode()) <= 255


def test_reporting_loads_without_airflow_and_aws():
    code = (
        "import sys, drs_provider.report.measure, drs_provider.report.store\n"
        "print(sorted({'airflow', 'boto3', 'botocore', 'fastapi'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=PLUGINS, capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("umask", "mode", "folder_mode"), [(0o022, 0o640, 0o750), (0o077, 0o600, 0o700), (0, 0o640, 0o750)]
)
def test_what_is_written_is_readable_as_far_as_the_umask_allows(tmp_path, umask, mode, folder_mode):
    before = os.umask(umask)
    try:
        written = write_report(measure(a_passed_drill()), tmp_path / "reports")
    finally:
        os.umask(before)

    for path in (Path(written.json_path), Path(written.html_path)):
        assert path.stat().st_mode & 0o777 == mode
        assert path.parent.stat().st_mode & 0o777 == folder_mode
    assert sorted(path.name for path in Path(written.json_path).parent.iterdir()) == ["report.html", "report.json"]


def test_what_a_run_keeps_of_its_report_is_the_report():
    kept = kept_report(REPORT)

    assert (kept.verdict, kept.reason, kept.is_shortened) == (REPORT.verdict, REPORT.verdict_reason, False)
    assert read_kept(kept) == REPORT


@pytest.mark.parametrize("share", [0.95, 0.5, 0.3])
def test_a_long_report_is_kept_without_its_longest_parts_and_can_still_be_read(share):
    most = int(len(json.dumps(REPORT.model_dump(mode="json"))) * share)

    kept = kept_report(REPORT, most)

    assert (kept.verdict, kept.is_shortened) == (REPORT.verdict, True)
    if kept.report is not None:
        assert len(json.dumps(kept.report)) <= most
        assert read_kept(kept).verdict == REPORT.verdict


def test_one_that_cannot_be_kept_at_all_still_keeps_its_verdict():
    kept = kept_report(REPORT, 10)

    assert (kept.verdict, kept.reason, kept.report) == (REPORT.verdict, REPORT.verdict_reason, None)
    assert read_kept(kept) is None
    assert read_kept(None) is None


class ClientError(Exception):
    """As botocore has it: an answer of the store."""

    response = {"Error": {"Code": "AccessDenied"}}  # noqa: RUF012  (as botocore has it)


class Refusing:
    """A store with one folder for each run, in which some files are refused."""

    protocol = "s3"

    def __init__(self, files, name="reports"):
        self.files, self.name = files, name

    def __truediv__(self, name):
        return Refusing(self.files, name if name != "report.json" else f"{self.name}/{name}")

    @property
    def parent(self):
        return Refusing(self.files, "drs.web-shop")

    def exists(self):
        return True

    def iterdir(self):
        return [Refusing(self.files, name) for name in self.files]

    def read_text(self, encoding=None):
        found = self.files[self.name.partition("/")[0]]
        if isinstance(found, Exception):
            raise found
        return found


NOT_UTF_8 = UnicodeDecodeError("utf-8", b"x", 0, 1, "invalid start byte")


@pytest.mark.parametrize("refusal", [ClientError("no"), NOT_UTF_8, PermissionError("no"), OSError()])
def test_one_file_that_cannot_be_read_hides_no_other_report(refusal):
    found = stored_reports(Refusing({"a__2": refusal, "a__1": to_json(of_run("a__1"))}), "drs.web-shop")

    assert [report.run.run_id for report in found] == ["a__1"]


@pytest.mark.parametrize("most", [1, 40])
def test_a_store_that_refuses_all_reports_is_not_one_without_reports(most):
    with pytest.raises(ClientError):
        list(stored_reports(Refusing({"a__1": ClientError("no"), "a__2": ClientError("no")}), "drs.web-shop", most))


def test_a_store_that_does_not_answer_is_not_asked_for_one_report_after_the_other():
    files = {"a__2": RuntimeError("no connection"), "a__1": to_json(of_run("a__1"))}

    with pytest.raises(RuntimeError):
        list(stored_reports(Refusing(files), "drs.web-shop"))
