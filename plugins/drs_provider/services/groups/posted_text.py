"""Plans and groups as somebody would write them into a file, checked with everything else in the plans folder."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

from drs_provider.plan.loader import Library, RunnablePlan, contents_of, read_contents
from drs_provider.plan.problems import Problem
from drs_provider.plan.yaml_source import document_parts
from drs_provider.services.groups.files import file_in
from drs_provider.services.groups.reader import IN_OTHER_GROUP

NEW_FILE: Final = "posted.yaml"
"""The file that a text counts as which is of none."""

MOST_DOCUMENTS: Final = 500
"""Documents of a text that is checked: what stands around each costs more than it says."""


class TextTooLongError(Exception):
    """A text has more documents than are checked at once."""


@dataclass(frozen=True)
class CheckedText:
    """What a text holds, and what is wrong with it; problems of other files only where the text makes them.

    :param path: of the file that the text counts as
    """

    path: Path
    plans: tuple[RunnablePlan, ...]
    problems: tuple[Problem, ...]

    def is_own(self, problem: Problem) -> bool:
        """Whether a problem names nothing but what stands in the text, or what whoever wrote it may read."""
        return problem.path == self.path and IN_OTHER_GROUP not in problem.what


def check_text(
    text: str, folder: Path, before: Library, file: str | None = None, hides: Callable[[str, str], bool] | None = None
) -> CheckedText:
    """Check a text as ``drs validate`` checks a file; nothing is written.

    :param folder: the plans folder; where there is none the text stands alone
    :param before: what the folder holds now
    :param file: the file that it would be, below the folder; None: a new one
    :param hides: whether who asks may not read what has a kind and a name; None: they may read all. What they may not
        read counts as not there, but for the servers that it has
    :raises PathRefusedError: the file is none of the folder
    :raises TextTooLongError: it has more than ``MOST_DOCUMENTS`` documents
    """
    documents = (part for _, part in document_parts(text) if part)
    if sum(1 for _ in islice(documents, MOST_DOCUMENTS + 1)) > MOST_DOCUMENTS:
        raise TextTooLongError(f"the text has more than {MOST_DOCUMENTS} documents: check it in parts")
    path = file_in(folder, file) if file else folder / NEW_FILE
    contents = contents_of(folder) if folder.is_dir() else []
    others = [(other, content) for other, content in contents if other != path]
    posted = [*others, (path, text.encode("utf-8", "surrogatepass"))]
    if hides is None:
        return _checked(path, read_contents(posted), before)

    def is_left_out(where: Path, kind: str, name: str) -> bool:
        return where != path and hides(kind, name)

    found = _checked(path, read_contents(posted, left_out=is_left_out), read_contents(contents, left_out=is_left_out))
    everything = _checked(path, read_contents(posted), before)
    shared = [problem for problem in everything.problems if problem.path == path and IN_OTHER_GROUP in problem.what]
    return replace(found, problems=tuple(sorted({*found.problems, *shared})))


def _checked(path: Path, library: Library, before: Library) -> CheckedText:
    known = {(problem.path, problem.what) for problem in before.problems}
    return CheckedText(
        path,
        plans=tuple(plan for plan in {**library.contested, **library.plans}.values() if plan.path == path),
        problems=tuple(
            problem for problem in library.problems if problem.path == path or (problem.path, problem.what) not in known
        ),
    )
