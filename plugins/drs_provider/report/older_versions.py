"""Reports that earlier releases have written, brought to the present form."""

from collections.abc import Mapping
from typing import Final

_LAUNCHED, _FAILED = "launched", "failed"
_WAVES: Final = {"done": "completed", "running": "launching"}
_SERVERS: Final = {"LAUNCHED": _LAUNCHED, "NOT_STARTED": "not_started", "EXCLUDED": "excluded"}
_CLEANUPS: Final = {"done": "completed"}


def brought_up(written: object) -> object:
    """Give a report of version 1 in the words of version 2; whatever else it is stays as it is."""
    if not isinstance(written, Mapping) or written.get("format_version") != 1:
        return written
    return {
        **written,
        "format_version": 2,
        "waves": [_wave(wave) for wave in _mappings(written.get("waves"))],
        "steps": [_step(step) for step in _mappings(written.get("steps"))],
        "failures": [{**failure, "status": _server_status(failure)} for failure in _mappings(written.get("failures"))],
        "cleanup": _cleanup(written.get("cleanup")),
    }


def _mappings(value: object) -> list[Mapping[str, object]]:
    return [part for part in value if isinstance(part, Mapping)] if isinstance(value, list | tuple) else []


def _wave(wave: Mapping[str, object]) -> Mapping[str, object]:
    return {
        **wave,
        "state": _WAVES.get(str(wave.get("state")), wave.get("state")),
        "servers": [{**server, "status": _server_status(server)} for server in _mappings(wave.get("servers"))],
        "steps": [_step(step) for step in _mappings(wave.get("steps"))],
    }


def _server_status(server: Mapping[str, object]) -> str:
    """Read DRS's word: only a server that is launched, with nothing against it, is there."""
    status = _SERVERS.get(str(server.get("status")), _FAILED)
    return _FAILED if status == _LAUNCHED and server.get("reason") else status


def _step(step: Mapping[str, object]) -> Mapping[str, object]:
    is_tolerated = step.get("state") == _FAILED and step.get("on_failure") == "continue"
    return {**step, "state": "tolerated"} if is_tolerated else step


def _cleanup(cleanup: object) -> object:
    if not isinstance(cleanup, Mapping):
        return cleanup
    gone = [
        {"server_id": instance.get("source_server_id"), **instance} for instance in _mappings(cleanup.get("terminated"))
    ]
    return {**cleanup, "state": _CLEANUPS.get(str(cleanup.get("state")), cleanup.get("state")), "terminated": gone}
