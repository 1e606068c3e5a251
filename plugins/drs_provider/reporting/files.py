"""Files below the reports folder, wherever that is."""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

_LOCAL_PROTOCOLS = ("", "file", "local")


def local(folder: Any) -> Any:
    """Turn everything that names a local folder into a ``Path``; leave object stores alone."""
    if isinstance(folder, str):
        return Path(folder.removeprefix("file://"))
    if not isinstance(folder, Path) and getattr(folder, "protocol", None) in _LOCAL_PROTOCOLS:
        return Path(folder.path)
    return folder


def write_whole(path: Any, text: str) -> None:
    """Write a file into a folder that is there; on a local disk it appears whole or not at all."""
    if not isinstance(path, Path):
        path.write_text(text, encoding="utf-8")
        return
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
