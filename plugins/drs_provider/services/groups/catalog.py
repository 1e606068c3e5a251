"""All protection groups of a plans folder, with the file, line and ETag of each."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TypedDict

from pydantic import JsonValue

from drs_provider.plan.loader import Library, bad_links, contents_of, plan_files, read_contents
from drs_provider.plan.model import ProtectionGroup, RecoveryPlan
from drs_provider.plan.parser import Parsed, parse_document
from drs_provider.plan.problems import Problem
from drs_provider.plan.yaml_source import read_documents
from drs_provider.rules.inventory.membership import KnownGroup
from drs_provider.rules.run.roster import Target, target_of


@dataclass(frozen=True)
class WrittenGroup:
    """A group as its file has it.

    ``group`` None: something is so wrong with it that nobody can say what it means. ``file`` is relative to the plans
    folder; empty where the files are not here. ``digest`` is the fingerprint of the whole file. ``problems`` are those
    of this group, in any file's company.
    """

    name: str
    definition: Mapping[str, JsonValue]
    group: ProtectionGroup | None
    file: str
    line: int
    digest: str
    problems: tuple[Problem, ...]

    @property
    def where(self) -> str:
        """Where it is written, as ``path:line``."""
        return f"{self.file}:{self.line}" if self.file else ""


@dataclass(frozen=True)
class WrittenPlan:
    """A plan as its file has it.

    ``plan`` None: something is so wrong with it that nobody can say what it means. All else is as in ``WrittenGroup``.
    """

    name: str
    definition: Mapping[str, JsonValue]
    plan: RecoveryPlan | None
    file: str
    line: int
    digest: str
    problems: tuple[Problem, ...]

    @property
    def where(self) -> str:
        """Where it is written, as ``path:line``."""
        return f"{self.file}:{self.line}" if self.file else ""


@dataclass(frozen=True)
class GroupCatalog:
    """The groups of a plans folder by name, in the order of files, and the library that they belong to.

    ``plans``: the names of the plans that use a group, also of those with a problem. A name that stands in two files is
    in ``groups`` once, with the problem. ``is_uncertain``: something may be a plan and nobody can read which groups it
    uses, so that any group may be one of them. ``written_plans``: the plans by name, as their files have them; empty
    where the files are not here.
    """

    folder: Path
    groups: Mapping[str, WrittenGroup] = field(default_factory=dict)
    library: Library = field(default_factory=Library)
    plans: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_uncertain: bool = False
    written_plans: Mapping[str, WrittenPlan] = field(default_factory=dict)

    @property
    def models(self) -> dict[str, ProtectionGroup]:
        """Every group that can be read, also where something is wrong with it in others' company."""
        return {name: written.group for name, written in self.groups.items() if written.group is not None}

    @property
    def recovery_plans(self) -> tuple[RecoveryPlan, ...]:
        """Every plan that can be read."""
        found = {**self.library.contested, **self.library.plans}
        return tuple(runnable.plan for _, runnable in sorted(found.items()))

    @property
    def targets(self) -> tuple[Target, ...]:
        """Every account and Region that a group names."""
        return tuple(dict.fromkeys(target_of(group) for group in self.models.values()))

    def groups_in(self, file: str | None) -> tuple[str, ...]:
        """Return the names of the groups that a file holds, by whatever way its path leads to it."""
        return self._in(file, self.groups)

    def plans_in(self, file: str | None) -> tuple[str, ...]:
        """Return the names of the plans that a file holds, in the same way."""
        return self._in(file, self.written_plans)

    def _in(self, file: str | None, written: Mapping[str, WrittenGroup] | Mapping[str, WrittenPlan]) -> tuple[str, ...]:
        try:
            path = (self.folder / (file or "")).resolve()
        except (OSError, ValueError):  # it is no name of a file
            return ()
        found = written.items()
        return tuple(name for name, entry in found if entry.file and (self.folder / entry.file).resolve() == path)

    def known(self) -> tuple[KnownGroup, ...]:
        """Return the groups with where they are written."""
        return tuple(
            KnownGroup(written.group, written.where) for written in self.groups.values() if written.group is not None
        )


def read_catalog(folder: Path) -> GroupCatalog:
    """Read the groups of a plans folder, again only when one of its files has changed."""
    if not folder.is_dir():
        return GroupCatalog(folder)
    return _read(folder, tuple(_fingerprint(path) for path in plan_files(folder)), tuple(bad_links(folder)))


def catalog_of(library: Library, folder: Path) -> GroupCatalog:
    """Return the groups of a library whose files are not here."""
    groups = {
        name: WrittenGroup(name, group.model_dump(mode="json", by_alias=True, exclude_unset=True), group, "", 0, "", ())
        for name, group in sorted(library.groups.items())
    }
    found = GroupCatalog(folder, groups, library)
    uses = ((plan.name, _groups_of(plan)) for plan in found.recovery_plans)
    return GroupCatalog(folder, groups, library, _plans_by_group(uses), bool(library.problems))


def digest_of_file(content: bytes) -> str:
    """Return the fingerprint of a file."""
    return hashlib.sha256(content).hexdigest()[:32]


@lru_cache(maxsize=2)
def _read(folder: Path, _fingerprints: Sequence[tuple[str, int, int, int]], _links: Sequence[Problem]) -> GroupCatalog:
    return catalog_of_contents(folder, contents_of(folder))


def catalog_of_contents(folder: Path, contents: Sequence[tuple[Path, bytes | Problem]]) -> GroupCatalog:
    """Return the catalog of files whose bytes are here already."""
    library = read_contents(contents)
    groups: dict[str, WrittenGroup] = {}
    plans: dict[str, WrittenPlan] = {}
    others: list[Parsed] = []
    for path, content in contents:
        if isinstance(content, Problem):
            continue
        for document in read_documents(path, content)[0]:
            parsed = parse_document(document)
            if parsed.kind != "ProtectionGroup":
                others.append(parsed)
                if parsed.kind == "RecoveryPlan" and parsed.name and parsed.name not in plans:
                    plan = parsed.model if isinstance(parsed.model, RecoveryPlan) else None
                    plans[parsed.name] = WrittenPlan(plan=plan, **_written(parsed, folder, content, library))
            elif parsed.name and parsed.name not in groups:
                group = parsed.model if isinstance(parsed.model, ProtectionGroup) else None
                groups[parsed.name] = WrittenGroup(group=group, **_written(parsed, folder, content, library))
    uses = [(parsed, *_groups_named(parsed)) for parsed in others]
    is_sure = all(parsed.name and sure and groups.keys() >= set(used) for parsed, used, sure in uses)
    of_plans = _plans_by_group((parsed.name, used) for parsed, used, _ in uses if parsed.name)
    return GroupCatalog(folder, groups, library, of_plans, bool(library.unnamed) or not is_sure, plans)


class _Place(TypedDict):
    """What is known of a document, whatever its kind."""

    name: str
    definition: Mapping[str, JsonValue]
    file: str
    line: int
    digest: str
    problems: tuple[Problem, ...]


def _written(parsed: Parsed, folder: Path, content: bytes, library: Library) -> _Place:
    document = parsed.document
    first = document.first_line + document.root.start_mark.line
    last = document.first_line + document.root.end_mark.line
    problems = tuple(
        problem for problem in library.problems_of(document.path) if first <= problem.line <= max(first, last)
    )
    definition = document.data if isinstance(document.data, dict) else {}
    file = document.path.relative_to(folder).as_posix()
    return _Place(
        name=parsed.name,
        definition=definition,
        file=file,
        line=first,
        digest=digest_of_file(content),
        problems=problems,
    )


def _groups_of(plan: RecoveryPlan) -> tuple[str, ...]:
    return tuple(dict.fromkeys(group for wave in plan.waves for group in wave.groups))


def _groups_named(parsed: Parsed) -> tuple[tuple[str, ...], bool]:
    """Return the groups that a document names as a plan does, whatever is wrong with it, and whether these are all.

    A typing error in a plan must not take its groups out of it.
    """
    if isinstance(parsed.model, RecoveryPlan) and not parsed.problems:
        return _groups_of(parsed.model), True
    data = parsed.document.data
    waves = data.get("waves") if isinstance(data, dict) else None
    if not isinstance(waves, list):
        return (), False
    lists = [wave.get("groups") if isinstance(wave, dict) else None for wave in waves]
    named = [group for groups in lists if isinstance(groups, list) for group in groups]
    used = tuple(dict.fromkeys(group for group in named if isinstance(group, str)))
    return used, all(isinstance(groups, list) for groups in lists) and all(isinstance(group, str) for group in named)


def _plans_by_group(uses: Iterable[tuple[str, Iterable[str]]]) -> dict[str, tuple[str, ...]]:
    used: dict[str, set[str]] = defaultdict(set)
    for plan, groups in uses:
        for group in groups:
            used[group].add(plan)
    return {group: tuple(sorted(plans)) for group, plans in used.items()}


def _fingerprint(path: Path) -> tuple[str, int, int, int]:
    try:
        found = path.stat()
    except OSError:  # gone since it was listed
        return (str(path), 0, 0, 0)
    return (str(path), found.st_mtime_ns, found.st_size, found.st_ino)
