"""Creating, changing and deleting a group or a plan in its file: checked as a whole before anything is written."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from drs_provider.plan.edit.files import NOUNS, Definition, add_document, change_document, remove_document
from drs_provider.plan.edit.splice import CannotEditError
from drs_provider.plan.loader import contents_of
from drs_provider.plan.problems import Problem
from drs_provider.services.groups.branches import GitBranches
from drs_provider.services.groups.catalog import (
    GroupCatalog,
    WrittenGroup,
    WrittenPlan,
    catalog_of_contents,
)
from drs_provider.services.groups.files import (
    FolderReadOnlyError,
    PathRefusedError,
    file_in,
    locked,
    staged,
)
from drs_provider.services.groups.patches import patch_of

Check = Callable[[GroupCatalog], None]
"""Is given the groups and plans as they are while nobody else changes them; raises where the change must not be."""

AuditRecord = Callable[[str, Mapping[str, JsonValue]], None]
"""Writes a line into an audit log: the event, and what else there is to say. It is kept when this returns."""

Written = WrittenGroup | WrittenPlan


@dataclass(frozen=True)
class DocumentKind:
    """A kind of document that is edited.

    ``kind`` is the word in its YAML, ``named_by`` says why it keeps its name, ``folder`` is where new ones go
    (empty: in the plans folder itself).
    """

    kind: str
    named_by: str
    folder: str = ""

    @property
    def noun(self) -> str:
        """What people call it."""
        return NOUNS[self.kind]

    def event(self, what: str) -> str:
        """Return the event of a change in the audit log.

        :param what: ``created``, ``changed``, ``deleted``; ``not_changed`` follows one of these where the file could
            not be written after all
        """
        return f"drs_{self.noun}_{what}"

    def of(self, catalog: GroupCatalog) -> Mapping[str, Written]:
        """Return the documents of this kind, by name."""
        return catalog.groups if self is GROUPS else catalog.written_plans

    def file_of(self, name: str) -> str:
        """Return the file of a new one whose author names none."""
        return f"{self.folder}/{name}.yaml" if self.folder else f"{name}.yaml"


GROUPS: Final = DocumentKind("ProtectionGroup", "plans refer to it", "groups")
PLANS: Final = DocumentKind("RecoveryPlan", "its runs and reports bear it")

_LINES: Final = re.compile(r":\d+")

Contents = list[tuple[Path, "bytes | Problem"]]


class EditRefusedError(Exception):
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

    ``written`` is the group or plan afterwards; None: there is none any more. ``why_not``: why it has not been made.
    ``branch``: where it is committed instead, for somebody to merge.
    """

    file: str
    diff: str
    is_saved: bool
    written: Written | None
    why_not: str = ""
    branch: str = ""


@dataclass(frozen=True)
class _Change:
    """What shall become of a document: the event, its file, its definition before and after (None: there is none)."""

    event: str
    name: str
    file: str
    before: Definition | None
    after: Definition | None
    is_dry: bool


@dataclass(frozen=True)
class DocumentEditor:
    """Changes the groups, or the plans, of one plans folder.

    :ivar may_write: whether files may be written at all; else every change is answered with its diff
    :ivar record: tells the audit log, before the file is written: a change without a line in it is not made
    :ivar branches: commits changes on branches instead of writing the files; None: the files are written
    """

    folder: Path
    may_write: bool
    record: AuditRecord
    kind: DocumentKind = GROUPS
    branches: GitBranches | None = None

    def create(self, definition: Definition, file: str | None, *, check: Check, dry_run: bool = False) -> SavedChange:
        """Add a group or a plan, at the end of a file or in a new one.

        :param file: below the plans folder; None: ``DocumentKind.file_of``
        :param check: looks at the groups and plans as they are, before anything is written
        :raises EditRefusedError: there is one of this name, it has problems, or the file is none of the folder
        """
        name = self._name_of(definition)
        with locked(self.folder):
            contents, catalog = self._read()
            if found := self.kind.of(catalog).get(name):
                why = f"there is a {self.kind.noun} called {name!r} already, in {found.where}"
                raise EditRefusedError("exists", why)
            check(catalog)
            change = _Change("created", name, file or self.kind.file_of(name), None, definition, is_dry=dry_run)
            return self._save(change, _Known(contents, catalog), lambda content: add_document(content, definition))

    def change(
        self,
        name: str,
        definition: "Definition | Callable[[Definition], Definition]",
        *,
        read: Callable[[str], None],
        check: Check,
        dry_run: bool = False,
    ) -> SavedChange:
        """Define a group or a plan in another way.

        :param definition: what makes it of the one that is there while nobody else changes it; or the new one itself
        :param read: is given the fingerprint of the file as it is, and raises where its author has read another one
        :raises EditRefusedError: there is none of this name, it has problems, or the file cannot be changed so
        """
        with locked(self.folder):
            contents, catalog = self._read()
            found = self._found(catalog, name)
            read(found.digest)
            wanted = definition(found.definition) if callable(definition) else definition
            if self._name_of(wanted) != name:
                raise EditRefusedError(
                    "invalid", f"name: it is {name!r}; a {self.kind.noun} keeps its name, {self.kind.named_by}"
                )
            check(catalog)
            change = _Change("changed", name, found.file, found.definition, wanted, is_dry=dry_run)
            known = _Known(contents, catalog)
            return self._save(change, known, lambda content: change_document(content or b"", name, wanted))

    def delete(self, name: str, *, read: Callable[[str], None], check: Check, dry_run: bool = False) -> SavedChange:
        """Remove a group or a plan; its file too, where nothing else is in it.

        :raises EditRefusedError: there is none of this name, or plans use it
        """
        with locked(self.folder):
            contents, catalog = self._read()
            found = self._found(catalog, name)
            read(found.digest)
            check(catalog)
            change = _Change("deleted", name, found.file, found.definition, None, is_dry=dry_run)
            known = _Known(contents, catalog)
            return self._save(change, known, lambda content: remove_document(content or b"", self.kind.kind, name))

    def look_at(
        self, definition: Definition, file: str | None
    ) -> tuple[str, str, str, GroupCatalog, tuple[Problem, ...]]:
        """Say what a definition would make of the plans folder, whether or not it is there already; nothing is written.

        :return: its name, its file, the change as a diff, all groups and plans as they would be, and the problems that
            there would be and are not there now
        :raises EditRefusedError: the file cannot be changed so
        """
        name = self._name_of(definition)
        contents, catalog = self._read()
        found = self.kind.of(catalog).get(name)
        before = found.definition if found else None
        path = self._path(
            _Change("changed", name, found.file if found else file or self.kind.file_of(name), before, definition, True)
        )
        old = _bytes_of(contents, path)
        new = _edited(lambda: change_document(old or b"", name, definition) if found else add_document(old, definition))
        catalog, problems = self._afterwards(_Known(contents, catalog), path, new)
        written = path.relative_to(self.folder).as_posix()
        return name, written, patch_of(written, old, new), catalog, problems

    def _read(self) -> tuple[Contents, GroupCatalog]:
        contents = contents_of(self.folder)
        return contents, catalog_of_contents(self.folder, contents)

    def _found(self, catalog: GroupCatalog, name: str) -> Written:
        found = self.kind.of(catalog).get(name)
        if found is None:
            raise EditRefusedError("missing", f"there is no {self.kind.noun} called {name!r}")
        return found

    def _name_of(self, definition: Definition) -> str:
        name = definition.get("name")
        if not isinstance(name, str) or not name:
            raise EditRefusedError("invalid", f"name: a {self.kind.noun} needs a name")
        if definition.get("kind") != self.kind.kind:
            raise EditRefusedError("invalid", f"kind: write {self.kind.kind}")
        return name

    def _path(self, change: "_Change") -> Path:
        try:
            return file_in(self.folder, change.file, is_there=change.before is not None)
        except PathRefusedError as error:
            raise EditRefusedError("path", str(error)) from error

    def _save(self, change: "_Change", known: "_Known", edit: Callable[[bytes | None], bytes | None]) -> SavedChange:
        path, name = self._path(change), change.name
        before = _bytes_of(known.contents, path)
        after = _edited(lambda: edit(before))
        catalog = self._checked(known, path, after)
        file = path.relative_to(self.folder).as_posix()
        diff = patch_of(file, before, after)
        written = self.kind.of(catalog).get(name)
        if change.is_dry or before == after:
            return SavedChange(file, diff, before == after, written)
        if not self.may_write:
            return SavedChange(file, diff, False, written, "this installation does not change plan files")
        event = self.kind.event(change.event)
        line = {self.kind.noun: name, "file": file, "before": _plain(change.before), "after": _plain(change.after)}
        try:
            with self._staged(path, before, after, f"{change.event.capitalize()} {self.kind.noun} {name}") as make:
                said = {"branch": make.branch} if make.branch else {}
                self.record(event, {**line, **said})
                self._make(make, {**line, **said, "event": event})
        except FolderReadOnlyError as error:
            return SavedChange(file, diff, False, written, str(error))
        why = f"it is committed on branch {make.branch}: it counts once it is merged" if make.branch else ""
        return SavedChange(file, diff, not make.branch, written, why, make.branch)

    @contextmanager
    def _staged(self, path: Path, before: bytes | None, after: bytes | None, subject: str) -> "Iterator[_Made]":
        """Have everything ready to write the file, or to commit it."""
        if self.branches is None:
            with staged(path, after) as write:
                yield _Made(write, lambda: (path.read_bytes() if path.exists() else None) == after)
            return
        branch = self.branches.prepare(path, before, after, subject)
        yield _Made(branch.create, branch.is_there, branch.name)

    def _make(self, make: "_Made", line: Mapping[str, JsonValue]) -> None:
        """Write the file; the audit log says so where its line has promised too much."""
        try:
            make.write()
        except Exception as error:
            if not make.is_done():
                self.record(self.kind.event("not_changed"), {**line, "why": f"{type(error).__name__}: {error}"})
            raise

    def _checked(self, known: "_Known", path: Path, after: bytes | None) -> GroupCatalog:
        """Return the catalog as it would be.

        :raises EditRefusedError: there would be a problem that is not there now
        """
        catalog, new = self._afterwards(known, path, after)
        if new:
            raise EditRefusedError("invalid", "the change would break plans or groups; nothing was saved", new)
        return catalog

    def _afterwards(self, known: "_Known", path: Path, after: bytes | None) -> tuple[GroupCatalog, tuple[Problem, ...]]:
        """Return the catalog as it would be, and the problems that are not there now."""
        others = [found for found in known.contents if found[0] != path]
        changed = others if after is None else sorted([*others, (path, after)], key=lambda found: found[0])
        now = {_meaning(problem) for problem in known.catalog.library.problems}
        catalog = catalog_of_contents(self.folder, changed)
        return catalog, tuple(problem for problem in catalog.library.problems if _meaning(problem) not in now)


@dataclass(frozen=True)
class _Known:
    """The files of the folder as they are, and what is in them: read once for a change."""

    contents: Contents
    catalog: GroupCatalog


@dataclass(frozen=True)
class _Made:
    """What makes a change, in one step, and tells whether it is made; ``branch``: where, if not in the file."""

    write: Callable[[], None]
    is_done: Callable[[], bool]
    branch: str = ""


def _bytes_of(contents: Contents, path: Path) -> bytes | None:
    found = next((content for known, content in contents if known == path), None)
    if isinstance(found, Problem):
        raise EditRefusedError("invalid", f"the file cannot be read: {found}", [found])
    if found is None and path.exists():
        raise EditRefusedError("path", "file: there is something else at that place")
    return found


def _edited(edit: Callable[[], bytes | None]) -> bytes | None:
    try:
        return edit()
    except CannotEditError as error:
        raise EditRefusedError("invalid", str(error)) from error


def _meaning(problem: Problem) -> tuple[Path, str, str, str]:
    """What is wrong, wherever it has moved to in its file."""
    return (problem.path, problem.where, _LINES.sub("", problem.what), _LINES.sub("", problem.hint))


def _plain(definition: Definition | None) -> dict[str, JsonValue] | None:
    return None if definition is None else dict(definition)
