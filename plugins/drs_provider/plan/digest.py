"""A fingerprint of what a plan means, the same whatever its comments, key order or files."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from drs_provider.plan.model import ProtectionGroup, RecoveryPlan, wave_dependencies


def digest_of(plan: RecoveryPlan, groups: Mapping[str, ProtectionGroup]) -> str:
    """Give the SHA-256, in hex, over the canonical JSON of a plan and its groups.

    What is written out although it is the default does not count, nor does the order of ``depends_on``.
    """
    meant = plan.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    for wave, waits_for in zip(meant["waves"], wave_dependencies(plan).values(), strict=True):
        wave["depends_on"] = sorted(waits_for)
    parts: dict[str, Any] = {"plan": meant, "groups": {}}
    for name, group in groups.items():
        parts["groups"][name] = group.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
