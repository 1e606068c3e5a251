"""The door for template values: what rendered to the wrong type is refused before any AWS call."""

from collections.abc import Mapping, Sequence
from typing import Any

from drs_provider.exceptions import RunRefused
from drs_provider.rules.launch.launched import StartedJobs

_NATIVE = "give the DAG render_template_as_native_obj=True, or pass the value without a template"


def rendered_bool(name: str, value: Any) -> bool:
    """Return a real bool; refuse a template that rendered to text, for ``bool("False")`` is True."""
    if not isinstance(value, bool):
        raise RunRefused(f"{name} must be True or False, but is {value!r}; nothing was called: {_NATIVE}")
    return value


def rendered_ids(name: str, value: Any) -> tuple[str, ...]:
    """Return ids without repetition, in their order; refuse text, which would be taken apart letter by letter."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(one, str) for one in value):
        raise RunRefused(f"{name} must be a list of ids, but is {value!r}; nothing was called: {_NATIVE}")
    return tuple(dict.fromkeys(value))


def rendered_mapping(name: str, value: Any) -> dict[str, Any]:
    """Return a mapping with text for keys; None is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise RunRefused(f"{name} must be a mapping, but is {value!r}; nothing was called: {_NATIVE}")
    return dict(value)


def rendered_launches(name: str, value: Any) -> tuple[StartedJobs, ...]:
    """Read what one or several start operators returned, or a bare list of their jobs.

    A list may hold launches of several accounts and Regions: each keeps its own connection.
    """
    given = [value] if isinstance(value, Mapping) and "jobs" in value else value
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise _not_a_launch(name, value)
    if all(isinstance(one, Mapping) and "jobs" in one for one in given):
        launches = [StartedJobs(tuple(one["jobs"]), one.get("aws_conn_id"), one.get("region")) for one in given]
    else:
        launches = [StartedJobs(tuple(given))]
    if not all(_is_job(job) for launch in launches for job in launch.jobs):
        raise _not_a_launch(name, value)
    if not any(launch.jobs for launch in launches):
        raise RunRefused(f"{name} is empty: nothing was started, so there is nothing to wait for")
    return tuple(launch for launch in launches if launch.jobs)


def _not_a_launch(name: str, value: Any) -> RunRefused:
    return RunRefused(
        f"{name} must be what DrsStartRecoveryOperator returned, but is {value!r}; nothing was called: {_NATIVE}"
    )


def _is_job(job: Any) -> bool:
    return isinstance(job, Mapping) and isinstance(job.get("job_id"), str) and isinstance(job.get("servers"), Sequence)
