"""A plan file with one protection group changed, added or removed; everything else in it stays as it is written."""

import codecs
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from pydantic import JsonValue

from drs_provider.plan.edit.splice import CannotEditError, Editor, write_block
from drs_provider.plan.edit.tree import YamlPart, read_tree
from drs_provider.plan.yaml_source import YamlDocument, document_parts, read_documents

Definition = Mapping[str, JsonValue]
"""A group as a plan file has it: kind, name and all that its author wrote."""

_KIND = "ProtectionGroup"


def change_group(content: bytes, name: str, wanted: Definition) -> bytes:
    """Return a file in which a group is defined in another way.

    :raises CannotEditError: that cannot be done without changing something else; it must be done by hand
    """
    text = _text(content)
    documents = _documents(text)
    document, start, root = _find(documents, text, name)
    after = [dict(wanted) if other is document else other.data for other in documents]
    why = ""
    for is_coarse in (False, True):
        try:
            part = Editor(document.text, root).change(wanted, is_coarse=is_coarse)
        except CannotEditError as error:
            why = str(error)
            continue
        written = f"{text[:start]}{part}{text[start + len(document.text) :]}"
        if _says(written, after):
            return _bytes(written, content)
    raise CannotEditError(
        f"group {name!r} cannot be changed here without changing something else in its file"
        f"{f': {why}' if why else ''}. Change the file by hand"
    )


def add_group(content: bytes | None, wanted: Definition) -> bytes:
    """Return a file with one more group, at its end; ``content`` None: there is no such file yet."""
    if not content:
        return write_block(dict(wanted)).encode()
    text = _text(content)
    before = [other.data for other in _documents(text)]
    newline = "\r\n" if "\r\n" in text else "\n"
    between = "" if text.endswith("\n") else newline
    written = f"{text}{between}---{newline}{write_block(dict(wanted), newline)}"
    if not _says(written, [*before, dict(wanted)]):
        raise CannotEditError("the group cannot be added at the end of this file. Name another file")
    return _bytes(written, content)


def remove_group(content: bytes, name: str) -> bytes | None:
    """Return a file without a group; None: nothing else is in it, so the file goes.

    :raises CannotEditError: as in :func:`change_group`
    """
    text = _text(content)
    documents = _documents(text)
    document, start, root = _find(documents, text, name)
    after = [other.data for other in documents if other is not document]
    if not after:
        return None
    is_first = not document.text.startswith("---")
    begin = start + (root.start if is_first else 0)
    end = start + root.end
    if text[end - 1] != "\n":
        line = text.find("\n", end)
        end = len(text) if line < 0 else line + 1
    written = text[:begin] + text[end:]
    if not _says(written, after):
        raise CannotEditError(f"group {name!r} cannot be removed without changing something else. Do it by hand")
    return _bytes(written, content)


def is_writable(definition: Definition) -> bool:
    """Whether a definition is the same after it was written as YAML and read as plans are."""
    try:
        return _says(write_block(dict(definition)), [dict(definition)])
    except (RecursionError, UnicodeEncodeError, yaml.YAMLError):
        return False


def _documents(text: str) -> list[YamlDocument]:
    documents, problems = read_documents(Path("file"), text.encode())
    if problems:
        raise CannotEditError(f"the file cannot be changed here before it is mended: {problems[0]}")
    return documents


def _find(documents: Sequence[YamlDocument], text: str, name: str) -> tuple[YamlDocument, int, YamlPart]:
    """Return a group's document, where its part of the text begins, and its tree."""
    found = [
        document
        for document in documents
        if isinstance(document.data, dict) and (document.data.get("kind"), document.data.get("name")) == (_KIND, name)
    ]
    if len(found) != 1:
        raise CannotEditError(f"there are {len(found)} groups called {name!r} in this file")
    document = found[0]
    if document.problems:
        raise CannotEditError(f"the file cannot be changed here before it is mended: {document.problems[0]}")
    start = 0
    for line, part in document_parts(text):
        if line == document.first_line and part == document.text:
            roots = read_tree(part)
            if len(roots) != 1:
                raise CannotEditError("begin the group's document with --- in a line of its own")
            return document, start, roots[0]
        start += len(part)
    raise CannotEditError(f"group {name!r} is not found again")


def _says(text: str, wanted: list[JsonValue]) -> bool:
    documents, problems = read_documents(Path("file"), text.encode())
    return not problems and [document.data for document in documents] == wanted


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CannotEditError("the file is not UTF-8 text") from error


def _bytes(text: str, like: bytes) -> bytes:
    return (codecs.BOM_UTF8 if like.startswith(codecs.BOM_UTF8) else b"") + text.encode()
