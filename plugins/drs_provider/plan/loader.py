"""The plans folder into plans that can run, and every problem that is in the way of the others."""

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from drs_provider.plan.digest import digest_of
from drs_provider.plan.fields import NAME_PATTERN
from drs_provider.plan.model import ProtectionGroup, RecoveryPlan
from drs_provider.plan.parser import (
    Parsed,
    add_library_problems,
    add_problems_of_plan_steps,
    add_problems_of_references,
    add_problems_of_shared_servers,
    parse_document,
)
from drs_provider.plan.problems import Problem
from drs_provider.plan.yaml_source import read_documents

SUFFIXES = (".yaml", ".yml")

MOST_BYTES = 4 * 1024 * 1024
"""Of one file: a plan of 10,000 servers, each named with its settings, is half as large."""

_NAME = re.compile(NAME_PATTERN.replace("$", r"\Z"))


@dataclass(frozen=True)
class RunnablePlan:
    """A plan without a problem, with the groups that its waves use, in the waves' order.

    ``digest`` is the fingerprint of what plan and groups mean (see ``digest.py``).
    """

    plan: RecoveryPlan
    groups: Mapping[str, ProtectionGroup]
    path: Path
    digest: str
    group_paths: Mapping[str, Path] = field(default_factory=dict)
    """The file of each group."""


@dataclass(frozen=True)
class Library:
    """All that a plans folder holds: what can be used, by name, and what is wrong with the rest."""

    plans: Mapping[str, RunnablePlan] = field(default_factory=dict)
    groups: Mapping[str, ProtectionGroup] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    broken_plans: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    """Plans that cannot run, with the files where they stand; a document without a readable name is not here."""
    contested: Mapping[str, RunnablePlan] = field(default_factory=dict)
    """Plans that no run may begin because of what other files say, but that runs under way go on with.

    Other groups name their servers too, or something is wrong with the plans that they run as steps.
    """
    unnamed: frozenset[Path] = frozenset()
    """Files that hold something which may be a plan, but nobody can read which one."""
    plan_step_problems: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    """What is wrong with the plans that a plan runs as steps, by the name of the plan that runs them."""

    def problems_of(self, path: Path) -> tuple[Problem, ...]:
        """Give the problems of one file."""
        return tuple(problem for problem in self.problems if problem.path == path)

    def disputes_of(self, plan_name: str) -> tuple[Problem, ...]:
        """Give the problems that other files make for a contested plan; none for any other plan."""
        if plan_name not in self.contested:
            return ()
        groups = self.contested[plan_name].groups.values()
        servers = tuple(f"{member.id} is in group " for group in groups for member in group.servers)
        of_steps = self.plan_step_problems.get(plan_name, ())
        return tuple(problem for problem in self.problems if problem.what.startswith(servers) or problem in of_steps)


def read_folder(folder: Path) -> Library:
    """Read every plan file under the folder. Never raises for what is in the files: that becomes ``problems``."""
    if not folder.is_dir():
        what = "there is no such folder" if not folder.exists() else "this is no folder"
        return Library(problems=(Problem(folder, 1, 1, "plans folder", what, "set DRS_PLANS_FOLDER to the plans"),))
    return read_contents(contents_of(folder))


def contents_of(folder: Path) -> list[tuple[Path, bytes | Problem]]:
    """Give the bytes of every plan file under a folder, or the problem that there is with reading it."""
    walked, within = _walked(folder), os.path.realpath(folder)
    files: list[tuple[Path, bytes | Problem]] = [(Path(file), _content(file, within)) for file in sorted(walked.files)]
    return [*files, *((problem.path, problem) for problem in walked.problems)]


def read_paths(paths: Sequence[Path], *, plans_folder: Path | None = None) -> Library:
    """Read files and folders, and from around them what they refer to; tell only of what was asked for.

    Groups are looked for in the plans folder: ``plans_folder`` where the path is inside it, else the nearest folder
    called ``plans`` that holds the path, else the path's own folder.
    """
    asked: set[Path] = set()
    files: dict[Path, tuple[Path, str | None]] = {}  # by what they are on disk: one file may be named in two ways
    for path in paths:
        within = os.path.realpath(path) if path.is_dir() else None
        for file in plan_files(path) if path.is_dir() else [path]:
            asked.add(files.setdefault(file.resolve(), (file, within))[0])
    for path in paths:
        folder = plans_folder_of(path, plans_folder)
        for file in plan_files(folder):
            files.setdefault(file.resolve(), (file, os.path.realpath(folder)))
    links = [problem for path in paths if path.is_dir() for problem in bad_links(path)]
    asked |= {problem.path for problem in links}
    everything = _read(sorted(files.values(), key=lambda found: found[0]), links)
    return Library(
        {name: plan for name, plan in everything.plans.items() if plan.path in asked},
        everything.groups,
        tuple(problem for problem in everything.problems if problem.path in asked),
        everything.broken_plans,
    )


def plans_folder_of(path: Path, plans_folder: Path | None) -> Path:
    """Give the folder whose files belong together with the path."""
    # A linked folder stands where its link stands, although its files are really elsewhere.
    written = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow the link
    if plans_folder is not None and (
        path.resolve().is_relative_to(plans_folder.resolve()) or written.is_relative_to(os.path.abspath(plans_folder))  # noqa: PTH100
    ):
        return plans_folder
    own = path if path.is_dir() else path.parent
    resolved = own.resolve()
    above = [*(resolved, *resolved.parents), *written.parents]
    named = next((up for up in above if up.name == "plans"), None)
    if named is None or named == resolved:
        return own
    return Path(os.path.relpath(named)) if not path.is_absolute() else named


def plan_files(folder: Path) -> list[Path]:
    """Give the YAML files under a folder at any depth, sorted; hidden ones are left out.

    Links to folders are followed, as Airflow follows them in the DAGs folder: git-sync publishes a checkout as a link.
    A folder that can be reached in two ways is read once, where it stands itself if it does. Kubernetes mounts a
    ConfigMap as hidden folders and links into them: the links count, the folders do not.
    """
    return [Path(file) for file in _plan_files(folder)]


def _plan_files(folder: Path) -> list[str]:
    return sorted(_walked(folder).files)


def holds_plans(folder: Path) -> bool:
    """Whether there is anything in the plans folder that is a plan file, or should be one."""
    return folder.is_dir() and bool(plan_files(folder) or bad_links(folder))


def bad_links(folder: Path) -> list[Problem]:
    """Give the links under a folder that lead in a circle, or nowhere."""
    return _walked(folder).problems


@dataclass
class _Walked:
    files: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def _walked(folder: Path) -> _Walked:
    # Texts, not paths: with hundreds of files a task start would spend half its time on making and sorting paths.
    found, links, seen = _Walked(), [str(folder)], dict[str, str]()
    while links:
        # Links come after everything that stands in the folders themselves.
        top, links = links, []
        for start in sorted(top):
            links += _walk_without_links(start, found, seen)
    return found


def _walk_without_links(start: str, found: _Walked, seen: dict[str, str]) -> list[str]:
    """Gather the files under a folder; return the links to folders there. ``seen``: folders by what they really are."""
    links: list[str] = []
    for where, folders, files in os.walk(start):
        real = os.path.realpath(where)
        if real in seen:
            folders.clear()
            if _leads_up(where, real):
                what = f"the link leads to {seen[real]}, in which it stands: a circle"
                found.problems.append(Problem(Path(where), 1, 1, "link", what, "remove the link"))
            continue
        seen[real] = where
        folders[:] = [name for name in folders if not name.startswith(".")]
        linked = [name for name in folders if os.path.islink(os.path.join(where, name))]  # noqa: PTH114, PTH118
        links += [os.path.join(where, name) for name in linked]  # noqa: PTH118
        folders[:] = [name for name in folders if name not in linked] if linked else folders
        for name in files:
            if name.startswith("."):
                continue
            file = os.path.join(where, name)  # noqa: PTH118 - see _walked
            if name.endswith(SUFFIXES):
                found.files.append(file)
            elif os.path.islink(file) and not os.path.exists(file):  # noqa: PTH110, PTH114
                what = f"the link leads to {os.readlink(file)}, which is not there"  # noqa: PTH115
                found.problems.append(Problem(Path(file), 1, 1, "link", what, "mend or remove the link"))
    return links


def _leads_up(link: str, real: str) -> bool:
    """Tell whether a linked folder is one of those on the way to the link."""
    return any(os.path.realpath(above) == real for above in Path(link).parents)


def read_one(folder: Path, plan_name: str) -> RunnablePlan | None:
    """Give one plan, or None where there is none that can run: the way for task starts.

    Opens every file, but parses only documents that can hold the plan or its groups. Rules between these and other
    groups are not looked at again: a group that was added elsewhere does not stop a run that goes on. Whatever is
    unusual is left to ``read_folder``.
    """
    return read_alone(folder, plan_name) or read_folder(folder).plans.get(plan_name)


def read_alone(folder: Path, plan_name: str) -> RunnablePlan | None:
    """Give one plan, or None where something is unusual: the quick half of ``read_one``."""
    within = os.path.realpath(folder)
    contents = [(file, content) for file in _plan_files(folder) if isinstance(content := _content(file, within), bytes)]
    plans = _named(contents, "RecoveryPlan", (plan_name,))
    if len(plans) == 1 and isinstance(plans[0].model, RecoveryPlan) and not plans[0].problems:
        wanted = tuple(name for wave in plans[0].model.waves for name in wave.groups)
        groups = _named(contents, "ProtectionGroup", wanted)
        if sorted(group.name for group in groups) == sorted(wanted):
            add_library_problems([*plans, *groups])
            if not any(parsed.problems for parsed in (*plans, *groups)):
                return _runnable(plans[0].model, plans[0].document.path, _by_name(groups))
    return None


def _named(contents: Iterable[tuple[str, bytes]], kind: str, names: tuple[str, ...]) -> list[Parsed]:
    if not names:
        return []
    words = "|".join(re.escape(name) for name in names)
    pattern = re.compile(rf"""name['"]?\s*:\s*['"]?(?:{words})(?![a-z0-9-])""".encode())
    found: list[Parsed] = []
    for file, content in contents:
        if kind.encode() in content and pattern.search(content):
            documents, _ = read_documents(
                Path(file), content, lambda text: kind in text and bool(pattern.search(text.encode()))
            )
            parsed = (parse_document(document) for document in documents)
            found.extend(entry for entry in parsed if entry.kind == kind and entry.name in names)
    return found


def _read(files: Iterable[tuple[Path, str | None]], links: Iterable[Problem] = ()) -> Library:
    contents: list[tuple[Path, bytes | Problem]] = [(path, _content(path, folder)) for path, folder in files]
    return read_contents([*contents, *((problem.path, problem) for problem in links)])


def read_contents(
    contents: Iterable[tuple[Path, bytes | Problem]],
    *,
    is_whole: bool = True,
    left_out: Callable[[Path, str, str], bool] | None = None,
) -> Library:
    """Read files whose bytes are here already, or the problem that there is with reading them.

    :param is_whole: these are all files of a folder; false: plans that others run as steps may lie elsewhere
    :param left_out: whether the document of a file, of a kind and with a name, is to count as not there
    """
    parsed: list[Parsed] = []
    problems: list[Problem] = []
    unnamed: set[Path] = set()
    for path, content in contents:
        if isinstance(content, Problem):
            problems.append(content)
            unnamed.add(path)
            continue
        documents, no_yaml = read_documents(path, content)
        found = [parse_document(document) for document in documents]
        if left_out is not None:
            found = [entry for entry in found if not left_out(path, entry.kind, entry.name)]
        if no_yaml or any(entry.kind != "ProtectionGroup" and not _NAME.match(entry.name) for entry in found):
            unnamed.add(path)
        problems.extend(no_yaml)
        parsed.extend(found)
    add_problems_of_references(parsed)
    alone = [entry for entry in parsed if not entry.problems]
    able = _plans(alone)
    add_problems_of_shared_servers(parsed)
    of_steps = add_problems_of_plan_steps(parsed) if is_whole else {}
    problems.extend(problem for entry in parsed for problem in entry.problems)
    good = [entry for entry in parsed if not entry.problems]
    groups = {name: model for name, (model, _) in _by_name(good).items()}
    plans = _plans(good)
    broken: dict[str, tuple[Path, ...]] = {}
    for entry in parsed:
        if entry.problems and entry.kind == "RecoveryPlan" and entry.name:
            broken[entry.name] = (*broken.get(entry.name, ()), entry.document.path)
    contested = {name: plan for name, plan in able.items() if name not in plans}
    return Library(plans, groups, tuple(sorted(set(problems))), broken, contested, frozenset(unnamed), of_steps)


def _plans(good: Sequence[Parsed]) -> dict[str, RunnablePlan]:
    groups = _by_name(good)
    return {
        entry.name: _runnable(entry.model, entry.document.path, groups)
        for entry in sorted(good, key=lambda entry: entry.name)
        if isinstance(entry.model, RecoveryPlan)
    }


def _content(file: str | Path, folder: str | None = None) -> bytes | Problem:
    """Read one file.

    :param folder: the real path of the folder that it must lie in; None: a person has named the file
    """
    try:
        size = _size_of(file, folder)
        if isinstance(size, Problem):
            return size
        # Whoever can write here may exchange the file after it was looked at: nothing may wait, or have no end.
        with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as stream:  # noqa: PTH123
            content = stream.read(size + 1) or b""
            if len(content) > size:
                content += stream.read(MOST_BYTES) or b""
    except OSError as error:
        return Problem(Path(file), 1, 1, "file", f"cannot be read: {error.strerror}", "correct it or remove it")
    return content if len(content) <= MOST_BYTES else _too_large(file, len(content))


def _size_of(file: str | Path, folder: str | None) -> int | Problem:
    """Return the bytes of a file, or why it is not to be opened at all."""
    found = os.lstat(file)
    if stat.S_ISLNK(found.st_mode):
        found = os.stat(file)  # noqa: PTH116 - see _walked
        # Kubernetes links from one part of a folder into another one; what leads out may be any file of the server.
        real, here = os.path.realpath(file), os.path.realpath(os.path.dirname(file))  # noqa: PTH120 - see _walked
        if folder is not None and not any(os.path.commonpath((real, within)) == within for within in (folder, here)):
            what = "is a link that leads out of the plans folder"
            return Problem(Path(file), 1, 1, "file", what, "put the file itself there")
    if not stat.S_ISREG(found.st_mode):
        return Problem(Path(file), 1, 1, "file", "is no regular file", "remove it: a plan is a file with text")
    return found.st_size if found.st_size <= MOST_BYTES else _too_large(file, found.st_size)


def _too_large(file: str | Path, size: int) -> Problem:
    what = f"is larger than a plan file may be ({size} bytes, at most {MOST_BYTES})"
    return Problem(Path(file), 1, 1, "file", what, "divide it, or remove it")


def _by_name(parsed: Iterable[Parsed]) -> dict[str, tuple[ProtectionGroup, Path]]:
    groups = [(entry.model, entry.document.path) for entry in parsed if isinstance(entry.model, ProtectionGroup)]
    return {group.name: (group, path) for group, path in sorted(groups, key=lambda found: found[0].name)}


def _runnable(plan: RecoveryPlan, path: Path, groups: Mapping[str, tuple[ProtectionGroup, Path]]) -> RunnablePlan:
    used = {name: groups[name] for name in _group_names(plan)}
    models = {name: model for name, (model, _) in used.items()}
    return RunnablePlan(plan, models, path, digest_of(plan, models), {name: file for name, (_, file) in used.items()})


def _group_names(plan: RecoveryPlan) -> Iterator[str]:
    for wave in plan.waves:
        yield from wave.groups
