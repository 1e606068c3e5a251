"""Creating, changing and deleting a protection group in its file: checked as a whole before anything is written."""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from drs_provider.plan.edit.files import Definition, add_group, change_group, remove_group
from drs_provider.plan.edit.splice import CannotEditError
from drs_provider.plan.loader import contents_of
from drs_provider.plan.problems import Problem
from drs_provider.services.groups.catalog import (
    GroupCatalog,
    WrittenGroup,
    catalog_of_contents,
)
from drs_provider.services.groups.files import (
    FolderReadOnlyError,
    PathRefusedError,
    file_in,
    locked,
    staged,
)

Check = Callable[[GroupCatalog], None]
"""Is given the groups as they are while nobody else changes them, and raises where the change must not be made."""

AuditRecord = Callable[[str, Mapping[str, JsonValue]], None]
"""Writes a line into an audit log: the event, and what else there is to say. It is kept when this returns."""

CREATED: Final = "drs_group_created"
CHANGED: Final = "drs_group_changed"
DELETED: Final = "drs_group_deleted"
NOT_CHANGED: Final = "drs_group_not_changed"
"""Follows one of the others where the file could not be written after all."""

_LINES: Final = re.compile(r":\d+")

Contents = list[tuple[Path, "bytes | Problem"]]


class GroupRefusedError(Exception):
    """A change is not made: why, and every problem with its file and line.

    :ivar kind: ``missing``, ``exists``, ``invalid`` or ``path``
    """

    def __init__(self, kind: str, why: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(kind, why)
        self.kind, self.why, self.problems = kind, why, tuple(problems)

    def __str__(self) -> str:
        return self.why


@dataclass(frozen=True)
class SavedChange:
    """A change of a file: as a unified diff, and whether it has been made.

    ``group`` is the group afterwards; None: there is none any more. ``why_not``: why it has not been made.
    """

    file: str
    diff: str
    is_saved: bool
    group: WrittenGroup | None
    why_not: str = ""


@dataclass(frozen=True)
class _Change:
    """What shall become of a group: the event, its file, its definition before and after (None: there is none)."""

    event: str
    name: str
    file: str
    before: Definition | None
    after: Definition | None
    is_dry: bool


@dataclass(frozen=True)
class GroupEditor:
    """Changes the groups of one plans folder.

    :ivar may_write: whether files may be written at all; else every change is answered with its diff
    :ivar record: tells the audit log, before the file is written: a change without a line in it is not made
    """

    folder: Path
    may_write: bool
    record: AuditRecord

    def create(self, definition: Definition, file: str | None, *, check: Check, dry_run: bool = False) -> SavedChange:
        """Add a group, at the end of a file or in a new one.

        :param file: below the plans folder; None: ``groups/NAME.yaml``
        :param check: looks at the groups as they are, before anything is written
        :raises GroupRefusedError: there is one of this name, it has problems, or the file is none of the folder
        """
        name = _name_of(definition)
        with locked(self.folder):
            contents, catalog = self._read()
            if name in catalog.groups:
                where = catalog.groups[name].where
                raise GroupRefusedError("exists", f"there is a group called {name!r} already, in {where}")
            check(catalog)
            change = _Change(CREATED, name, file or f"groups/{name}.yaml", None, definition, is_dry=dry_run)
            return self._save(change, contents, lambda content: add_group(content, definition))

    def change(
        self, name: str, definition: Definition, *, read: Callable[[str], None], check: Check, dry_run: bool = False
    ) -> SavedChange:
        """Define a group in another way.

        :param read: is given the fingerprint of the file as it is, and raises where its author has read another one
        :raises GroupRefusedError: there is none of this name, it has problems, or the file cannot be changed so
        """
        if _name_of(definition) != name:
            raise GroupRefusedError("invalid", f"name: it is {name!r}; a group keeps its name, plans refer to it")
        with locked(self.folder):
            contents, catalog = self._read()
            group = self._group(catalog, name)
            read(group.digest)
            check(catalog)
            change = _Change(CHANGED, name, group.file, group.definition, definition, is_dry=dry_run)
            return self._save(change, contents, lambda content: change_group(content or b"", name, definition))

    def delete(self, name: str, *, read: Callable[[str], None], check: Check, dry_run: bool = False) -> SavedChange:
        """Remove a group; its file too, where nothing else is in it.

        :raises GroupRefusedError: there is none of this name, or plans use it
        """
        with locked(self.folder):
            contents, catalog = self._read()
            group = self._group(catalog, name)
            read(group.digest)
            check(catalog)
            change = _Change(DELETED, name, group.file, group.definition, None, is_dry=dry_run)
            return self._save(change, contents, lambda content: remove_group(content or b"", name))

    def _read(self) -> tuple[Contents, GroupCatalog]:
        contents = contents_of(self.folder)
        return contents, catalog_of_contents(self.folder, contents)

    def _group(self, catalog: GroupCatalog, name: str) -> WrittenGroup:
        if name not in catalog.groups:
            raise GroupRefusedError("missing", f"there is no group called {name!r}")
        return catalog.groups[name]

    def _path(self, change: "_Change") -> Path:
        try:
            return file_in(self.folder, change.file, is_there=change.before is not None)
        except PathRefusedError as error:
            raise GroupRefusedError("path", str(error)) from error

    def _save(self, change: "_Change", contents: Contents, edit: Callable[[bytes | None], bytes | None]) -> SavedChange:
        path, name = self._path(change), change.name
        before = _bytes_of(contents, path)
        after = _edited(lambda: edit(before))
        catalog = self._checked(contents, path, after)
        file = path.relative_to(self.folder).as_posix()
        diff = _diff(file, before, after)
        group = catalog.groups.get(name)
        if change.is_dry or before == after:
            return SavedChange(file, diff, before == after, group)
        if not self.may_write:
            return SavedChange(file, diff, False, group, "this installation does not change plan files")
        line = {"group": name, "file": file, "before": _plain(change.before), "after": _plain(change.after)}
        try:
            with staged(path, after) as write:
                self.record(change.event, line)
                self._write(write, path, after, {**line, "event": change.event})
        except FolderReadOnlyError as error:
            return SavedChange(file, diff, False, group, str(error))
        return SavedChange(file, diff, True, group)

    def _write(self, write: Callable[[], None], path: Path, after: bytes | None, line: Mapping[str, JsonValue]) -> None:
        """Write the file; the audit log says so where its line has promised too much."""
        try:
            write()
        except Exception as error:
            if (path.read_bytes() if path.exists() else None) != after:
                self.record(NOT_CHANGED, {**line, "why": f"{type(error).__name__}: {error}"})
            raise

    def _checked(self, contents: Contents, path: Path, after: bytes | None) -> GroupCatalog:
        """Return the catalog as it would be.

        :raises GroupRefusedError: there would be a problem that is not there now
        """
        others = [found for found in contents if found[0] != path]
        changed = others if after is None else sorted([*others, (path, after)], key=lambda found: found[0])
        now = {_meaning(problem) for problem in catalog_of_contents(self.folder, contents).library.problems}
        catalog = catalog_of_contents(self.folder, changed)
        new = [problem for problem in catalog.library.problems if _meaning(problem) not in now]
        if new:
            raise GroupRefusedError("invalid", "the change would break plans or groups; nothing was saved", new)
        return catalog


def _name_of(definition: Definition) -> str:
    name = definition.get("name")
    if not isinstance(name, str) or not name:
        raise GroupRefusedError("invalid", "name: a group needs a name")
    if definition.get("kind") != "ProtectionGroup":
        raise GroupRefusedError("invalid", "kind: write ProtectionGroup")
    return name


def _bytes_of(contents: Contents, path: Path) -> bytes | None:
    found = next((content for known, content in contents if known == path), None)
    if isinstance(found, Problem):
        raise GroupRefusedError("invalid", f"the file cannot be read: {found}", [found])
    if found is None and path.exists():
        raise GroupRefusedError("path", "file: there is something else at that place")
    return found


def _edited(edit: Callable[[], bytes | None]) -> bytes | None:
    try:
        return edit()
    except CannotEditError as error:
        raise GroupRefusedError("invalid", str(error)) from error


def _meaning(problem: Problem) -> tuple[Path, str, str, str]:
    """What is wrong, wherever it has moved to in its file."""
    return (problem.path, problem.where, _LINES.sub("", problem.what), _LINES.sub("", problem.hint))


def _plain(definition: Definition | None) -> dict[str, JsonValue] | None:
    return None if definition is None else dict(definition)


def _diff(file: str, before: bytes | None, after: bytes | None) -> str:
    """Word a change as a patch for ``git apply`` or ``patch -p1`` in the plans folder."""
    old, new = ((content or b"").decode("utf-8", "replace").splitlines(keepends=True) for content in (before, after))
    names = (f"a/{file}" if before is not None else "/dev/null", f"b/{file}" if after is not None else "/dev/null")
    lines = difflib.unified_diff(old, new, *names)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
