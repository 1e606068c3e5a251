"""The modules of a package with what they import, and copies of them under other names.

Sources are read, never imported. All imports of this project are absolute, so a copy differs from its original in its
import statements alone: comments and docstrings stay.
"""

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeGuard

Statement = ast.Import | ast.ImportFrom


@dataclass(frozen=True)
class Package:
    """A package in a folder.

    :ivar root: the folder that the package lies in
    :ivar name: the package's own name
    """

    root: Path
    name: str

    def path_of(self, module: str) -> Path | None:
        """Return the file of a module or of a package's ``__init__``; None: there is none."""
        place = self.root / Path(*module.split("."))
        file, folder = place.with_suffix(".py"), place / "__init__.py"
        return file if file.is_file() else folder if folder.is_file() else None

    def source(self, module: str) -> str:
        """Return the text of a module. Raises FileNotFoundError."""
        path = self.path_of(module)
        if path is None:
            raise FileNotFoundError(f"{self.name} has no module {module}")
        return path.read_text(encoding="utf-8")

    def owns(self, module: str | None) -> bool:
        """Say whether a module is this package's."""
        return module is not None and (module == self.name or module.startswith(f"{self.name}."))

    @cached_property
    def _handed_on(self) -> dict[str, dict[str, tuple[str, str]]]:
        return {}

    def home_of(self, module: str, name: str) -> str:
        """Return the module that ``from module import name`` is about: a submodule, or where the name is defined."""
        if self.path_of(f"{module}.{name}") is not None:
            return f"{module}.{name}"
        path = self.path_of(module)
        if path is None or path.name != "__init__.py":
            return module
        if module not in self._handed_on:
            self._handed_on[module] = {
                alias.asname or alias.name: (node.module or "", alias.name)
                for node in ast.parse(self.source(module)).body
                if isinstance(node, ast.ImportFrom) and self.owns(node.module)
                for alias in node.names
            }
        where = self._handed_on[module].get(name)
        return self.home_of(*where) if where else module

    def needed_by(self, module: str) -> set[str]:
        """Return the modules of this package that a module imports when it runs, wherever it does so."""
        return {
            self.home_of(node.module or "", alias.name)
            for node, for_types in imports_in(ast.parse(self.source(module)))
            if not for_types and isinstance(node, ast.ImportFrom) and self.owns(node.module)
            for alias in node.names
        }

    def closure(self, modules: Iterable[str], *, without: Collection[str] = ()) -> set[str]:
        """Return the modules with all that they need, but for those left out."""
        found: set[str] = set()
        waiting = list(modules)
        while waiting:
            module = waiting.pop()
            if module not in found and module not in without:
                found.add(module)
                waiting += self.needed_by(module)
        return found


def imports_in(node: ast.AST, *, for_types: bool = False) -> Iterator[tuple[Statement, bool]]:
    """Yield the import statements of a tree, each with whether it is there for type checkers alone."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node, for_types
    for child in ast.iter_child_nodes(node):
        yield from imports_in(child, for_types=for_types or _is_guard(node))


def _is_guard(node: ast.AST) -> TypeGuard[ast.If]:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


@dataclass(frozen=True)
class Move:
    """How modules of a package are called elsewhere.

    :ivar package: where they come from
    :ivar names: new name of each module that goes along
    :ivar left_out: why a module does not go along, by module; whoever would need it at run time says so
    """

    package: Package
    names: Mapping[str, str]
    left_out: Mapping[str, str]

    def moved(self, source: str, *, into: str = "") -> str:
        """Return a source whose imports name the new places.

        :param into: the new module that it becomes a part of; what it would import from there it has
        :raises LookupError: something is imported that does not go along
        """
        lines = source.split("\n")
        found = [(node, types) for node, types in imports_in(ast.parse(source)) if self._is_ours(node)]
        for node, for_types in sorted(found, key=lambda pair: -pair[0].lineno):
            indent = " " * node.col_offset
            text = self._statements(node, for_types=for_types, into=into)
            lines[node.lineno - 1 : node.end_lineno] = [indent + line for line in text]
        return "\n".join(lines)

    def _is_ours(self, node: Statement) -> bool:
        if isinstance(node, ast.Import):
            return any(self.package.owns(alias.name) for alias in node.names)
        return self.package.owns(node.module)

    def _statements(self, node: Statement, *, for_types: bool, into: str) -> list[str]:
        if isinstance(node, ast.Import):
            said = f"line {node.lineno}: `{ast.unparse(node)}` cannot be moved; import names from it"
            raise LookupError(said)  # noqa: TRY004  (it is no wrong type that is wrong)
        places: dict[str, list[str]] = {}
        for alias in node.names:
            home = self.package.home_of(node.module or "", alias.name)
            if home in self.left_out and not for_types:
                return [f"raise NotImplementedError({self.left_out[home]!r})"]
            if home not in self.names:
                if for_types:
                    continue
                raise LookupError(f"line {node.lineno}: {home} does not go along")
            new = self.names[home]
            is_module = home == f"{node.module}.{alias.name}"
            parent, _, last = new.rpartition(".")
            where, name = (parent, last) if is_module else (new, alias.name)
            known_as = alias.asname or (alias.name if is_module and last != alias.name else None)
            if where != into:
                places.setdefault(where, []).append(f"{name} as {known_as}" if known_as else name)
        return [f"from {where} import {', '.join(names)}" for where, names in places.items()] or ["pass"]


def joined(title: str, sources: Iterable[str]) -> str:
    """Return several modules as one: their imports together, then what each defines.

    :raises ValueError: two of them mean different things by one name
    """
    top: dict[str, None] = {}
    guarded: dict[str, None] = {}
    bodies: list[str] = []
    known: dict[str, str] = {}
    for source in sources:
        tree = ast.parse(source)
        gone: list[tuple[int, int]] = []
        for node in tree.body:
            ends = node.end_lineno or node.lineno
            if isinstance(node, ast.Import | ast.ImportFrom):
                top[ast.unparse(node)] = None
                gone.append((node.lineno, ends))
            elif _is_guard(node):
                guarded |= {ast.unparse(inner): None for inner in node.body if not isinstance(inner, ast.Pass)}
                gone.append((node.lineno, ends))
            elif isinstance(node, ast.Pass) or (node is tree.body[0] and isinstance(node, ast.Expr)):
                gone.append((node.lineno, ends))
            elif (name := _defined_by(node)) is not None:
                if name in known and known[name] != ast.unparse(node):
                    raise ValueError(f"{name} means two things: {known[name][:60]!r}, {ast.unparse(node)[:60]!r}")
                if name in known:
                    gone.append((node.lineno, ends))
                known[name] = ast.unparse(node)
        lines = source.split("\n")
        for first, last in reversed(gone):
            lines[first - 1 : last] = []
        bodies.append("\n".join(lines).strip())
    lines_for_types = [f"    {line}" for line in guarded]
    for_types = ["", "if TYPE_CHECKING:", *lines_for_types] if guarded else []
    return "\n".join([f'"""{title}"""', "", *sorted(top), *for_types, "", "", "\n\n\n".join(bodies), ""])


def _defined_by(node: ast.stmt) -> str | None:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name
        case ast.AnnAssign(target=ast.Name(id=name)):
            return name
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return name
    return None
