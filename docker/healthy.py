"""Exit 0 when the part of Airflow that runs in this container is well: the health checks of docker-compose.yaml.

Each asks about this container's own process: with two of a part, Airflow's page of health shows the better one.
"""

import os
import socket
import sys
from urllib.request import urlopen

ADDRESSES = {
    "api-server": "http://localhost:8080/api/v2/version",
    "scheduler": "http://localhost:8974/health",  # [scheduler] enable_health_check
}
COMMANDS = {
    "dag-processor": ("airflow", "jobs", "check", "--job-type", "DagProcessorJob", "--local"),
    "triggerer": ("airflow", "jobs", "check", "--job-type", "TriggererJob", "--local"),
    "worker": (
        *("celery", "--app", "airflow.providers.celery.executors.celery_executor.app"),
        *("inspect", "ping", "--destination", f"celery@{socket.gethostname()}"),
    ),
}

if __name__ == "__main__":
    part = sys.argv[1]
    if part in COMMANDS:
        os.execvp(COMMANDS[part][0], COMMANDS[part])  # noqa: S606  (a program of this image)
    with urlopen(ADDRESSES[part], timeout=10):  # the addresses stand above
        pass
