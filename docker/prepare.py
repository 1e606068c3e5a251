"""Bring Airflow's database up to date and lay out what the parts share; the service `migrate` of docker-compose.yaml.

Every other part begins after it. It may run again at any time, also while the parts run: an upgrade begins with it.
"""

import shutil
import subprocess
from pathlib import Path

SHARED = Path("/var/lib/airflow/shared")
PASSWORDS = Path("/run/secrets/passwords.json")


def lay_out(shared: Path, passwords: Path) -> None:
    """Make the folder of reports, and take the passwords over: Airflow adds those of new users to its own copy.

    :param passwords: those that were made with the other secrets; they win over the copy
    """
    (shared / "reports").mkdir(parents=True, exist_ok=True)
    kept = shared / "passwords.json"
    shutil.copyfile(passwords, kept)
    kept.chmod(0o600)


if __name__ == "__main__":
    lay_out(SHARED, PASSWORDS)
    subprocess.run(["airflow", "db", "migrate"], check=True)
