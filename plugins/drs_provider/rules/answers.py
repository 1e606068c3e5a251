"""What AWS answers, as the rules read it."""

from collections.abc import Mapping
from typing import Any

Answer = Mapping[str, Any]
"""One thing as DRS, EC2 or another service describes it: botocore's parsed answer, read-only by agreement."""
