"""A change of a plan file as a commit on a branch of its own, for somebody to review and merge.

Neither the files that are checked out nor the index nor any branch that is there is touched: the commit is made from
git's own objects, on the commit that is checked out, and the branch appears in one step. Nothing is pushed.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from drs_provider.formatting import plain_line
from drs_provider.services.groups.files import FolderReadOnlyError

_LONGEST: Final = 60.0
"""Seconds that git may take."""
_QUIET: Final = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "commit.gpgSign=false")
"""No program of the repository's own settings runs in the API server."""
_NOT_THERE_YET: Final = "0" * 40
_BRANCH: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(?:/[A-Za-z0-9][A-Za-z0-9_-]*)*\Z")

_UNFIT: Final = re.compile(r"[^A-Za-z0-9_-]+")


def is_branch_prefix(text: str) -> bool:
    """Whether branches may be called so: letters, digits, ``-``, ``_``, with ``/`` between parts."""
    return bool(_BRANCH.match(text))


@dataclass(frozen=True)
class NewBranch:
    """A commit that no branch has yet, and the branch that shall have it."""

    git: "_Git"
    name: str
    commit: str

    def create(self) -> None:
        """Let the branch appear; one that has this very commit already is as good.

        :raises FolderReadOnlyError: git refuses, or takes too long
        """
        try:
            self.git.run("update-ref", f"refs/heads/{self.name}", self.commit, _NOT_THERE_YET)
        except (OSError, subprocess.SubprocessError) as error:
            if not self.is_there():
                raise FolderReadOnlyError(f"branch {self.name} cannot be made: {error}") from error

    def is_there(self) -> bool:
        """Whether the branch has the commit; where git does not say it has not."""
        try:
            found = self.git.found("rev-parse", "--verify", "--quiet", f"refs/heads/{self.name}")
        except (OSError, subprocess.SubprocessError):
            return False
        return found == self.commit.encode()


@dataclass(frozen=True)
class GitBranches:
    """Commits changes of a plans folder that lies in a git checkout.

    :param prefix: what the names of the branches begin with
    :param person: who makes the change: the author of the commits
    """

    folder: Path
    prefix: str
    person: str

    def prepare(self, path: Path, before: bytes | None, after: bytes | None, subject: str) -> NewBranch:
        """Make the commit that has one file changed.

        :param before: the file as its author has read it; None: there was none
        :param after: the file as it shall be; None: there shall be none
        :raises FolderReadOnlyError: the folder is in no repository that can be written, or its file is not the one that
            is committed
        """
        git = _Git(self.folder)
        try:
            return self._prepare(git, path, before, after, subject)
        except (OSError, subprocess.SubprocessError) as error:
            raise FolderReadOnlyError(f"nothing can be committed here: {error}") from error

    def _prepare(self, git: "_Git", path: Path, before: bytes | None, after: bytes | None, subject: str) -> NewBranch:
        head = git.run("rev-parse", "--verify", "HEAD^{commit}").decode()
        within = git.run("rev-parse", "--show-prefix").decode()
        name = f"{within}{path.relative_to(self.folder).as_posix()}"
        if git.found("cat-file", "blob", f"{head}:{name}") != before:
            raise FolderReadOnlyError(f"{path.name} is not as it is committed: commit what is changed in it first")
        with tempfile.TemporaryDirectory() as scratch:
            index = {"GIT_INDEX_FILE": f"{scratch}/index"}
            git.run("read-tree", head, more=index)
            if after is None:
                git.run("update-index", "--force-remove", "--", name, more=index, is_at_top=True)
            else:
                blob = git.run("hash-object", "-w", "--no-filters", "--stdin", text=after).decode()
                mode = _mode_of(git.found("ls-tree", "--full-tree", head, "--", name))
                git.run("update-index", "--add", "--cacheinfo", f"{mode},{blob},{name}", more=index)
            tree = git.run("write-tree", more=index).decode()
        person = plain_line(self.person).replace("<", "").replace(">", "").strip() or "drs"
        people = {
            **{f"GIT_{role}_NAME": who for role, who in (("AUTHOR", person), ("COMMITTER", "drs console"))},
            **{f"GIT_{role}_EMAIL": "drs-console@localhost" for role in ("AUTHOR", "COMMITTER")},
        }
        commit = git.run("commit-tree", tree, "-p", head, "-F", "-", text=f"{subject}\n".encode(), more=people).decode()
        return NewBranch(git, f"{self.prefix}/{_UNFIT.sub('-', path.stem)}-{commit[:12]}", commit)


def _mode_of(entry: bytes | None) -> str:
    mode = (entry or b"").partition(b" ")[0].decode()
    return mode if mode in {"100644", "100755"} else "100644"


@dataclass(frozen=True)
class _Git:
    folder: Path

    def run(
        self, *words: str, text: bytes = b"", more: Mapping[str, str] | None = None, is_at_top: bool = False
    ) -> bytes:
        """Return what git prints, without the line end.

        :raises OSError: git is not there, or refuses
        """
        folder = Path(self.run("rev-parse", "--show-toplevel").decode()) if is_at_top else self.folder
        done = self._done(words, text, more or {}, folder)
        if done.returncode:
            raise OSError(plain_line(done.stderr.decode("utf-8", "replace")) or f"git {words[0]} has failed")
        return done.stdout.removesuffix(b"\n")

    def found(self, *words: str) -> bytes | None:
        """Return what git prints, to the byte for ``cat-file``; None: it is not there."""
        done = self._done(words, b"", {}, self.folder)
        if done.returncode:
            return None
        return done.stdout if words[0] == "cat-file" else done.stdout.removesuffix(b"\n")

    def _done(
        self, words: tuple[str, ...], text: bytes, more: Mapping[str, str], folder: Path
    ) -> "subprocess.CompletedProcess[bytes]":
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        return subprocess.run(  # noqa: S603  (no shell; every word is ours or an object's name)
            ["git", *_QUIET, *words],  # noqa: S607
            cwd=folder,
            input=text,
            capture_output=True,
            timeout=_LONGEST,
            check=False,
            env={**kept, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", **more},
        )
