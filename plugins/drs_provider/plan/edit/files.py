"""A plan file with one group or plan changed, added or removed; everything else in it stays as it is written."""

import codecs
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import yaml
from pydantic import JsonValue

from drs_provider.plan.edit.splice import CannotEditError, Editor, write_block
from drs_provider.plan.edit.tree import YamlPart, read_tree
from drs_provider.plan.yaml_source import YamlDocument, document_parts, read_documents

Definition = Mapping[str, JsonValue]
"""A group or a plan as a plan file has it: kind, name and all that its author wrote."""

NOUNS: Final[Mapping[str, str]] = {"ProtectionGroup": "group", "RecoveryPlan": "plan"}
"""What people call the kinds of documents."""


def change_document(content: bytes, name: str, wanted: Definition) -> bytes:
    """Return a file in which a group or a plan, of the kind that is wanted, is defined in another way.

    :raises CannotEditError: that cannot be done without changing something else; it must be done by hand
    """
    text = _text(content)
    documents = _documents(text)
    kind = str(wanted.get("kind"))
    document, start, root = _find(documents, text, kind, name)
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
        f"{_noun(kind)} {name!r} cannot be changed here without changing something else in its file"
        f"{f': {why}' if why else ''}. Change the file by hand"
    )


def add_document(content: bytes | None, wanted: Definition) -> bytes:
    """Return a file with one more group or plan, at its end; ``content`` None: there is no such file yet."""
    if not content:
        return write_block(dict(wanted)).encode()
    text = _text(content)
    before = [other.data for other in _documents(text)]
    newline = "\r\n" if "\r\n" in text else "\n"
    between = "" if text.endswith("\n") else newline
    written = f"{text}{between}---{newline}{write_block(dict(wanted), newline)}"
    if not _says(written, [*before, dict(wanted)]):
        raise CannotEditError("nothing can be added at the end of this file. Name another file")
    return _bytes(written, content)


def remove_document(content: bytes, kind: str, name: str) -> bytes | None:
    """Return a file without a group or a plan; None: nothing else is in it, so the file goes.

    :raises CannotEditError: as in :func:`change_document`
    """
    text = _text(content)
    documents = _documents(text)
    document, start, root = _find(documents, text, kind, name)
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
        raise CannotEditError(
            f"{_noun(kind)} {name!r} cannot be removed without changing something else. Do it by hand"
        )
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


def _noun(kind: str) -> str:
    return NOUNS.get(kind, "document")


def _find(documents: Sequence[YamlDocument], text: str, kind: str, name: str) -> tuple[YamlDocument, int, YamlPart]:
    """Return the document of a group or a plan, where its part of the text begins, and its tree."""
    found = [
        document
        for document in documents
        if isinstance(document.data, dict) and (document.data.get("kind"), document.data.get("name")) == (kind, name)
    ]
    if len(found) != 1:
        raise CannotEditError(f"there are {len(found)} {_noun(kind)}s called {name!r} in this file")
    document = found[0]
    if document.problems:
        raise CannotEditError(f"the file cannot be changed here before it is mended: {document.problems[0]}")
    start = 0
    for line, part in document_parts(text):
        if line == document.first_line and part == document.text:
            roots = read_tree(part)
            if len(roots) != 1:
                raise CannotEditError(f"begin the {_noun(kind)}'s document with --- in a line of its own")
            return document, start, roots[0]
        start += len(part)
    raise CannotEditError(f"{_noun(kind)} {name!r} is not found again")


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
