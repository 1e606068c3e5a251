"""Where a run's report stands below the reports folder."""

import hashlib
import re

JSON_NAME, HTML_NAME = "report.json", "report.html"

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")
_LONGEST = 120


def safe_name(name: str) -> str:
    """Turn a DAG or run id into a folder name that every file system and object store takes.

    Two different ids never share a name: whatever had to be changed or cut carries a piece of the id's sha256.
    """
    plain = _UNSAFE.sub("-", name)
    if plain == name and len(name) <= _LONGEST and name.strip("."):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    return f"{plain[:_LONGEST].strip('.')}-{digest}"


def report_parts(dag_id: str, run_id: str) -> tuple[str, str]:
    """Return the two folder names below the reports folder that belong to this run, and to no other."""
    return safe_name(dag_id), safe_name(run_id)
