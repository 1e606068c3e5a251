"""Plan files for tests: groups that every plan may use, and what reading a file beside them says."""

from pathlib import Path
from typing import Any

import pytest
from drs_provider.plan.loader import Library, read_folder

GROUPS = """
kind: ProtectionGroup
name: g1
servers: [s-00000000000000001, {id: s-00000000000000002, critical: false}]
---
kind: ProtectionGroup
name: g2
servers: [s-00000000000000003]
---
kind: ProtectionGroup
name: g3
select: {tags: {App: shop}}
"""

PLAN = "kind: RecoveryPlan\nname: p\n"
GROUP = "kind: ProtectionGroup\nname: g\n"
WAVES = "waves: [{name: a, groups: [g1]}]\n"


def read_beside_groups(folder: Path, content: str | bytes, *, groups: str = GROUPS) -> Library:
    """Read a folder of these groups and one more file, ``x.yaml``; by default the whole language is allowed."""
    (folder / "groups.yaml").write_text(groups)
    (folder / "x.yaml").write_bytes(content.encode() if isinstance(content, str) else content)
    return read_folder(folder)


def said_of(folder: Path, content: str | bytes) -> list[str]:
    """Give the messages about ``x.yaml``, without the folder in front."""
    library = read_beside_groups(folder, content)
    return [str(problem).replace(f"{folder}/", "") for problem in library.problems]


def cases_in(folder: Path) -> list[Any]:
    """Read a folder of cases: a headline (``###``), the file ``x.yaml``, and the messages it gets (``=>``)."""
    cases = []
    for file in sorted(folder.glob("*.txt")):
        for case in ("\n" + file.read_text()).split("\n### ")[1:]:
            title, _, text = case.partition("\n")
            lines = text.splitlines(keepends=True)
            written = "".join(line for line in lines if not line.startswith("=> ")).rstrip("\n") + "\n"
            said = [line[3:].rstrip("\n") for line in lines if line.startswith("=> ")]
            cases.append(pytest.param(written, said, id=f"{file.stem}: {title}"))
    return cases
