"""Exit 0 when the API server calls the Airflow component given as argument healthy: a container's health check."""

import json
import sys
from urllib.request import urlopen

ADDRESS = "http://api-server:8080/api/v2/monitor/health"

if __name__ == "__main__":
    with urlopen(ADDRESS, timeout=10) as answer:  # the address stands above
        status = json.load(answer)[sys.argv[1]]["status"]
    sys.exit(status != "healthy")
