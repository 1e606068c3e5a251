"""What of all that is there is a drill's left-over."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Resource:
    """An EC2 resource that carries tags of a run; ``kind`` is EC2's word: ``volume``, ``vpc``, ``security-group`` …"""

    id: str
    kind: str
    tags: Mapping[str, str]
