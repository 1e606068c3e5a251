"""A PostgreSQL of the stack's own: what is missing is said, and nobody else can reach it."""

from pathlib import Path

import pytest

from demo.postgresql import Cluster, Unavailable, cluster


@pytest.fixture
def programs(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("initdb", "postgres"):
        (folder / name).touch(mode=0o755)
    return folder


def of(tmp_path, folders, *, uid=1000, missing=()):
    return cluster(
        tmp_path / "pg", 5433, "a/b", is_installed=lambda name: name not in missing, folders=folders, uid=uid
    )


def test_drivers_that_are_missing_are_named_with_the_way_to_get_them(tmp_path, programs):
    with pytest.raises(Unavailable) as error:
        of(tmp_path, [programs], missing=("asyncpg",))
    assert str(error.value) == (
        "Airflow cannot reach PostgreSQL without asyncpg: "
        "make bench DATABASE=postgresql installs what requirements/postgresql.txt names"
    )


def test_programs_that_are_missing_are_named_with_the_way_to_get_them(tmp_path, programs):
    (programs / "initdb").unlink()
    with pytest.raises(Unavailable) as error:
        of(tmp_path, [programs])
    assert str(error.value) == (
        "PostgreSQL's programs initdb and postgres are neither on PATH nor in /usr/lib/postgresql; "
        "on Debian and Ubuntu: apt-get install postgresql"
    )


def test_root_starts_it_as_another_account_and_everybody_else_as_himself(tmp_path, programs):
    assert of(tmp_path, [programs]).serving()[0] == str(programs / "postgres")
    as_root = of(tmp_path, [programs], uid=0)
    assert as_root.account in ("postgres", "nobody")
    assert as_root.serving()[3].endswith("demo/unprivileged.py")
    assert as_root.serving()[4:6] == [as_root.account, str(programs / "postgres")]


def test_it_listens_on_this_machine_only_and_asks_for_the_password(tmp_path, programs):
    made = of(tmp_path, [programs])
    assert "listen_addresses=127.0.0.1" in made.serving()
    assert made.making()[made.making().index("--auth") + 1] == "scram-sha-256"
    assert made.environment() == {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://airflow:a%2Fb@127.0.0.1:5433/postgres",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": "postgresql+asyncpg://airflow:a%2Fb@127.0.0.1:5433/postgres",
    }


def test_its_folder_is_closed_to_others(tmp_path):
    Cluster(Path("/bin"), tmp_path / "pg", 5433, "secret").prepare()
    assert (tmp_path / "pg").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "pg" / "password").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_its_account_may_not_enter_is_named(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(Unavailable) as error:
        Cluster(Path("/bin"), closed / "pg", 5433, "secret", account="nobody").prepare()
    assert str(error.value).startswith("PostgreSQL does not run as root, and the account nobody may not enter /")
