"""Two of every part on one machine: what is started, on which addresses, and with the deployment's own proxy."""

from itertools import count
from pathlib import Path

import pytest
import yaml

from demo.team import LOCAL, Team, TeamUnavailable, kin, proxy_configuration, team

ROOT = Path(__file__).parents[3]
DEPLOYED = (ROOT / "docker" / "haproxy.cfg").read_text(encoding="utf-8")


def made(tmp_path, find=lambda name: f"/usr/sbin/{name}"):
    return team(tmp_path / "team", 8080, count(9001), "pw-1", find=find)


def test_there_are_the_parts_of_the_deployment_but_what_it_has_once(tmp_path):
    deployed = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
    airflow = {name for name, part in deployed.items() if str(part.get("command", "")).startswith("airflow ")}
    here = {name.removeprefix("celery-") for name in made(tmp_path).parts()}

    assert here == airflow - {"flower"}


def test_each_api_server_has_a_port_and_each_worker_a_name_of_its_own(tmp_path):
    parts = made(tmp_path).parts()

    assert [parts[f"api-server-{number}"][2] for number in (1, 2)] == ["9002", "9003"]
    assert [parts[f"celery-worker-{number}"][3] for number in (1, 2)] == ["celery-worker-1", "celery-worker-2"]
    assert len({parts[f"celery-worker-{number}"][5] for number in (1, 2)}) == 2, "a pid file each"


def test_the_proxy_is_the_deployments_on_other_addresses():
    lines = proxy_configuration(DEPLOYED, 8080, (9002, 9003)).splitlines()

    gone = [line for line in DEPLOYED.splitlines() if line not in lines]
    new = [line for line in lines if line not in DEPLOYED.splitlines()]
    assert [line.strip() for line in gone] == [
        "resolvers docker",
        "nameserver dns 127.0.0.11:53",
        "hold valid 2s",
        "bind :8080",
        "default-server check inter 2s fall 2 rise 1 resolvers docker init-addr libc,none",
        "server api-server-1 api-server-1:8080",
        "server api-server-2 api-server-2:8080",
    ]
    assert [line.strip() for line in new] == [
        "bind 127.0.0.1:8080",
        "default-server check inter 2s fall 2 rise 1",
        "server api-server-1 127.0.0.1:9002",
        "server api-server-2 127.0.0.1:9003",
    ]


@pytest.mark.parametrize("gone", ["bind :8080", "server api-server-2 api-server-2:8080"])
def test_a_proxy_that_has_changed_is_refused(gone):
    with pytest.raises(ValueError, match="no longer has one bind, a section of resolvers and a server for each port"):
        proxy_configuration(DEPLOYED.replace(gone, ""), 8080, (9002, 9003))


def test_what_is_missing_is_named_with_the_way_to_get_it(tmp_path):
    with pytest.raises(TeamUnavailable) as error:
        made(tmp_path, find=lambda name: None if name == "haproxy" else "/usr/bin/redis-server")
    assert str(error.value) == "Airflow with Celery needs haproxy; on Debian and Ubuntu: apt-get install haproxy"


def test_redis_is_this_machines_alone_behind_a_password_and_keeps_what_is_queued(tmp_path):
    mine = made(tmp_path)
    mine.prepare(DEPLOYED)

    file = mine.home / "redis.conf"
    assert file.read_text().splitlines() == [
        "bind 127.0.0.1",
        "port 9001",
        "requirepass pw-1",
        "appendonly yes",
        f"dir {mine.home}",
    ]
    assert (file.stat().st_mode & 0o777, mine.home.stat().st_mode & 0o777) == (0o600, 0o700)
    assert not mine.answers()


def test_celery_keeps_its_results_where_airflow_has_its_tables():
    mine = Team({}, Path("/home"), 8080, 9001, (9002, 9003), "a/b")

    assert mine.environment("postgresql+psycopg2://airflow:x@127.0.0.1:5/postgres") == {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CELERY__BROKER_URL": "redis://:a%2Fb@127.0.0.1:9001/0",
        "AIRFLOW__CELERY__RESULT_BACKEND": "db+postgresql+psycopg2://airflow:x@127.0.0.1:5/postgres",
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": "4",
    }


def test_the_parts_of_a_kind_are_found_with_and_without_a_twin(tmp_path):
    parts = made(tmp_path).parts()

    assert kin(parts, "scheduler") == ["scheduler-1", "scheduler-2"]
    assert kin(parts, "api-server") == ["api-server-1", "api-server-2"]
    assert kin(parts, "dag-processor") == ["dag-processor"]
    assert kin(LOCAL, "scheduler") == ["scheduler"]
    assert kin(LOCAL, "celery-worker") == []
