"""Make the secrets of docker-compose.yaml in a folder; what is there already stays as it is.

    python3 docker/make_secrets.py [FOLDER]

Needs nothing but Python. The files may be read inside the containers, whose user is not yours, so they are readable for
everybody; the folder is not.
"""

import base64
import json
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

USERS = ("admin", "dr-lead", "ops-lead", "cto", "viewer")
SIMULATOR = "http://simulator:5555"


def connections() -> str:
    """Return the connections as Airflow's local filesystem backend reads them: the simulator in the place of AWS."""
    extra = {
        "region_name": "us-west-2",
        "endpoint_url": SIMULATOR,
        "service_config": {"sts": {"endpoint_url": SIMULATOR}},
    }
    demo = {"conn_type": "aws", "login": "demo", "password": "demo", "extra": extra}
    return json.dumps({"aws_default": demo}, indent=2) + "\n"


def passwords() -> str:
    """Return a password for every user of Airflow's simple auth manager."""
    return json.dumps({user: secrets.token_urlsafe(12) for user in USERS}) + "\n"


def fernet_key() -> str:
    """Return a key as cryptography's Fernet makes it: 32 random bytes in URL-safe base64."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


RANDOM: Mapping[str, Callable[[], str]] = {
    "postgres_password": lambda: secrets.token_urlsafe(24),
    "redis_password": lambda: secrets.token_urlsafe(24),
    "fernet_key": fernet_key,
    "api_secret_key": lambda: secrets.token_urlsafe(32),
    "jwt_secret": lambda: secrets.token_urlsafe(48),
    "connections.json": connections,
    "passwords.json": passwords,
}
"""What is made of nothing."""

ADDRESSES: Mapping[str, str] = {
    "database": "postgresql+psycopg2://airflow:{postgres_password}@postgres/airflow",
    "results": "db+postgresql+psycopg2://airflow:{postgres_password}@postgres/airflow",
    "broker": "redis://:{redis_password}@redis:6379/0",
}
"""What holds one of them."""


def make(folder: Path) -> list[str]:
    """Make what is missing; return the names of the files that were made."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = []

    def write(name: str, text: str) -> None:
        path = folder / name
        if not path.exists():
            path.write_text(text)
            path.chmod(0o644)
            made.append(name)

    for name, value in RANDOM.items():
        write(name, value())
    known = {name: (folder / name).read_text().strip() for name in ("postgres_password", "redis_password")}
    for name, address in ADDRESSES.items():
        write(name, address.format(**known))
    return made


if __name__ == "__main__":
    place = Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent / "secrets"
    if new := make(place):
        print(f"made in {place}: {', '.join(new)}")
    print(f"the passwords of Airflow's users: {place / 'passwords.json'}")
