"""Clients share what botocore knows of the services; what the scheduler has read, its tasks need not read again."""

import os
from pathlib import Path

import pytest
from airflow.sdk.execution_time.task_runner import TaskRunnerMarker
from botocore.loaders import JSONFileLoader
from drs_provider.hooks.launch_settings import LaunchSettingsHook
from drs_provider.hooks.preload import SERVICES
from drs_provider.hooks.session import NeighbourHook
from drs_provider.ui.listeners.preload import Preloading


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files of service descriptions that this process reads from now on."""
    seen: list[str] = []
    read = JSONFileLoader.load_file

    def noted(self: JSONFileLoader, path: str) -> object:
        content = read(self, path)
        if content is not None:
            seen.append(path)
        return content

    monkeypatch.setattr(JSONFileLoader, "load_file", noted)
    return seen


def test_the_second_hook_reads_no_description_again(reads: list[str]) -> None:
    for region in ("us-west-2", "eu-west-1"):
        reads.clear()
        client = NeighbourHook(aws_conn_id=None, region_name=region, client_type="ec2").get_conn()
        assert client.meta.region_name == region
        assert LaunchSettingsHook(aws_conn_id=None, region_name=region).conn.meta.region_name == region
    assert reads == []


def test_a_folder_of_ones_own_descriptions_is_kept_apart(
    reads: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    NeighbourHook(aws_conn_id=None, region_name="us-west-2", client_type="sts").get_conn()
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    reads.clear()
    NeighbourHook(aws_conn_id=None, region_name="us-west-2", client_type="sts").get_conn()
    assert any("/sts/" in path for path in reads)


def test_what_the_scheduler_forks_reads_nothing(reads: list[str]) -> None:
    Preloading().on_starting(object())
    reads.clear()
    out, into = os.pipe()
    if (child := os.fork()) == 0:
        try:
            for service in SERVICES:
                NeighbourHook(aws_conn_id=None, region_name="us-west-2", client_type=service).get_conn()
            os.write(into, ",".join(reads).encode())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(into)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert os.read(out, 10_000) == b""


def test_a_start_alarms_nobody_with_a_connection_that_is_missing(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level("INFO"):
        Preloading().on_starting(object())

    assert "No connection ID" not in caplog.text + "".join(capfd.readouterr())


def test_a_task_process_reads_nothing_for_the_services_that_it_may_not_ask(
    reads: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))  # where nothing has been read yet
    Preloading().on_starting(TaskRunnerMarker())
    assert reads == []
