"""The parts of an address that name something: what each may hold, told by the OpenAPI document too."""

from typing import Annotated, Final

from fastapi import Path

_PART: Final = r"^[^/\x00-\x1f]+$"
"""A part has no slash, and nothing that no name has: a line break in an address leads to no route at all."""

DagId = Annotated[str, Path(pattern=_PART, max_length=250, description="The id of a plan's DAG, such as `drs.shop`.")]
RunId = Annotated[str, Path(pattern=_PART, max_length=250, description="The id of a run.")]
RunIdOrShort = Annotated[str, Path(pattern=_PART, max_length=250, description="The id of a run, or its short id.")]
PlanName = Annotated[str, Path(pattern=_PART, max_length=100)]
GroupName = Annotated[str, Path(pattern=_PART, max_length=100)]
ServerId = Annotated[str, Path(pattern=_PART, max_length=100, description="The id of a source server.")]
