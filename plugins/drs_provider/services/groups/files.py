"""Writing a plan file so that whoever reads it, at any moment, finds the old one or the new one, and never a part."""

import errno
import fcntl
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from drs_provider.plan.loader import SUFFIXES

_PART: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_DEEPEST: Final = 6
_LEFT_FOR: Final = 3600.0
"""Seconds after which a file that a killed process has not finished is removed."""
_UNWRITABLE: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


class PathRefusedError(Exception):
    """A file is named that is not one of the plans folder."""


class FolderReadOnlyError(Exception):
    """Nobody can write here: the change must be made where the files come from."""


def file_in(folder: Path, name: str, *, is_there: bool = False) -> Path:
    """Return the file of a plans folder that a name means.

    :param name: a path below the folder, with ``/`` between its parts
    :param is_there: it is one of the plan files that are there, whatever people have called it
    :raises PathRefusedError: it leads elsewhere, is hidden or is no plan file
    """
    parts = name.split("/")
    if not is_there and (
        not name.endswith(SUFFIXES) or len(parts) > _DEEPEST or not all(_PART.match(part) for part in parts)
    ):
        raise PathRefusedError(
            "file: name a .yaml file below the plans folder, such as groups/shop.yaml: letters, digits, '.', '_' and "
            "'-', no hidden parts"
        )
    path = folder.joinpath(*parts)
    # What is linked into the folder comes from elsewhere, and is changed there.
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise PathRefusedError("file: it leads out of the plans folder")
    return path


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time change the files of a folder; where locks do not work, go on without one."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def staged(path: Path, content: bytes | None) -> Iterator[Callable[[], None]]:
    """Have everything ready to put a file in the place of another one, or to remove it (``content`` None).

    Gives what does it, in one step: killed at any moment, the old file or the new one is there.

    :raises FolderReadOnlyError: the folder takes no change, or the file is a link to somewhere else
    """
    if path.is_symlink():
        raise FolderReadOnlyError(f"{path.name} is a link: the file comes from elsewhere")
    if content is None:
        if not os.access(path.parent, os.W_OK):
            raise FolderReadOnlyError(f"{path.name} cannot be removed here: its folder is read-only")

        def remove() -> None:
            path.unlink()
            _settle(path.parent)

        yield remove
        return
    temporary = _written_beside(path, content)

    def exchange() -> None:
        temporary.replace(path)
        _settle(path.parent)

    try:
        yield exchange
    finally:
        temporary.unlink(missing_ok=True)


def _written_beside(path: Path, content: bytes) -> Path:
    """Write a hidden file beside another one, whole and on the disk."""
    name = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left(path)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            _take_over(stream.fileno(), path)
            os.fsync(stream.fileno())
    except (OSError, FolderReadOnlyError) as error:
        if name:
            Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in _UNWRITABLE:
            raise FolderReadOnlyError(f"{path.name} cannot be written here: {error.strerror}") from error
        raise
    return Path(name)


def _take_over(descriptor: int, path: Path) -> None:
    """Give a new file the owner, group and mode of the one whose place it takes.

    :raises FolderReadOnlyError: it cannot have that group, so that others could no longer read or change it
    """
    try:
        old = path.stat()
    except FileNotFoundError:
        os.fchmod(descriptor, 0o644)
        return
    try:
        os.fchown(descriptor, old.st_uid, old.st_gid)
    except PermissionError:  # only root gives files away
        try:
            os.fchown(descriptor, -1, old.st_gid)
        except PermissionError as error:
            said = f"{path.name} cannot be written here: it would no longer belong to group {old.st_gid}"
            raise FolderReadOnlyError(said) from error
    os.fchmod(descriptor, old.st_mode & 0o777)


def _settle(folder: Path) -> None:
    """Have the folder itself on the disk: a power cut after this loses nothing."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_left(path: Path) -> None:
    for left in path.parent.glob(f".{path.name}.*.new"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _LEFT_FOR:
                left.unlink()
