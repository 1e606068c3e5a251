"""One document of a text, changed to say something else: only what differs is written anew."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import yaml
from pydantic import JsonValue

from drs_provider.plan.edit.alignment import AlignmentStep, align, has_anchors
from drs_provider.plan.edit.tree import YamlPart
from drs_provider.plan.yaml_source import read_plain

_STEP: Final = 2
_GONE: Final = object()
"""What an anchor stands for whose place is not written any more."""


class CannotEditError(Exception):
    """The change cannot be made in place without changing something else."""


@dataclass(frozen=True)
class Splice:
    """A stretch of the text, and what stands there instead."""

    start: int
    end: int
    text: str


class _Indented(yaml.SafeDumper):
    """Writes lists one step to the right of their key, as the examples do."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def write_block(value: JsonValue, newline: str = "\n") -> str:
    """Write a value as YAML in block style, with a line end at its end."""
    return _dump(value, is_flow=False).replace("\n", newline)


def _dump(value: JsonValue, *, is_flow: bool) -> str:
    text: str = yaml.dump(
        value,
        Dumper=_Indented,
        default_flow_style=is_flow,
        sort_keys=False,
        allow_unicode=True,
        width=float("inf"),
        indent=_STEP,
    )
    return text.removesuffix("...\n") if not isinstance(value, dict | list) else text


def data_of(part: YamlPart, text: str, anchors: dict[str, JsonValue]) -> JsonValue:
    """Return what a part says, as plans are read."""
    if part.kind == "alias":
        return anchors[part.name]
    value: JsonValue
    if part.kind == "scalar":
        is_plain = text[part.content : part.content + 1] not in {'"', "'", "|", ">"}
        value = read_plain(part.text)[0] if is_plain else part.text
    elif part.kind == "mapping":
        value = {key.text: data_of(inside, text, anchors) for key, inside in part.entries}
    else:
        value = [data_of(item, text, anchors) for item in part.items]
    if part.anchor:
        anchors[part.anchor] = value
    return value


class Editor:
    """Finds the splices that make one document say something else.

    :param text: the text of the whole document, which the tree's positions count in
    """

    def __init__(self, text: str, root: YamlPart) -> None:
        self.text, self.root = text, root
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self.splices: list[Splice] = []
        self.old: dict[str, JsonValue] = {}
        self.new: dict[str, Any] = {}

    def change(self, wanted: Mapping[str, JsonValue], *, is_coarse: bool = False) -> str:
        """Return the text that says this.

        :param is_coarse: the value of a key of the document that differs is written anew as a whole
        :raises CannotEditError: not without changing something else
        """
        if self.root.kind != "mapping":
            raise CannotEditError("the document is no mapping")
        self._mapping(self.root, dict(wanted), is_coarse=is_coarse)
        text = self.text
        for splice in sorted(self.splices, key=lambda found: (found.start, found.end), reverse=True):
            text = f"{text[: splice.start]}{splice.text}{text[splice.end :]}"
        return text

    def _change(self, part: YamlPart, wanted: JsonValue, column: int) -> None:
        """:param column: how far what is written below this part's line is indented at least."""
        if part.kind == "alias":
            if self.new.get(part.name, _GONE) != wanted:
                self._replace(part, wanted, column)
            return
        old = data_of(part, self.text, dict(self.old))
        if part.kind == "mapping" and isinstance(wanted, dict) and (wanted or not old):
            self._mapping(part, wanted)
        elif part.kind == "list" and isinstance(wanted, list) and (wanted or not old):
            self._list(part, old if isinstance(old, list) else [], wanted)
        elif type(old) is not type(wanted) or old != wanted:
            self._replace(part, wanted, column)
        if part.anchor:
            self.old[part.anchor], self.new[part.anchor] = old, wanted

    def _change_whole(self, part: YamlPart, wanted: JsonValue, column: int) -> None:
        if part.kind == "alias":
            self._change(part, wanted, column)
        elif data_of(part, self.text, dict(self.old)) == wanted:
            self._change(part, wanted, column)  # aliases in it may mean something else now
        else:
            self._replace_all(part, wanted, column)
            if part.anchor:
                self.new[part.anchor] = wanted

    def _mapping(self, part: YamlPart, wanted: dict[str, JsonValue], *, is_coarse: bool = False) -> None:
        column = self._column(part.content if not part.entries else part.entries[0][0].start)
        kept = [entry for entry in part.entries if entry[0].text in wanted]
        added = {key: value for key, value in wanted.items() if key not in {entry[0].text for entry in part.entries}}
        if wanted and not kept:  # nothing of it stays
            self._replace_all(part, wanted, column)
            return
        for position, (key, value) in enumerate(part.entries):
            if key.text not in wanted:
                self._forget(value)
                self._drop(part, position, key.start, value.end)
            elif is_coarse:
                self._change_whole(value, wanted[key.text], column + _STEP)
            else:
                self._change(value, wanted[key.text], column + _STEP)
        if added and part.is_flow:
            self._add_flow(part, [self._flow_entry(key, value) for key, value in added.items()])
        elif added:
            lines = "".join(self._block_entry(key, value, column) for key, value in added.items())
            self._add_lines(part.end, lines)

    def _list(self, part: YamlPart, old: Sequence[JsonValue], wanted: Sequence[JsonValue]) -> None:
        dashes = [] if part.is_flow else [self._dash(part, position) for position in range(len(part.items))]
        if not part.items:
            if wanted:
                self._replace(part, list(wanted), self._column(part.start))
            return
        steps = align(old, wanted)
        if not any(tag == "equal" for tag, *_ in steps) and len(old) != len(wanted):
            self._replace_all(part, list(wanted), self._column(dashes[0] if dashes else part.start))
            return
        moved = {} if part.is_flow else self._moved(part, old, wanted, steps)
        from_elsewhere = set(moved.values())
        for tag, begin, end, first, last in steps:
            is_in_place = not from_elsewhere & set(range(begin, end)) and not moved.keys() & set(range(first, last))
            if tag == "equal" or (tag == "replace" and end - begin == last - first and is_in_place):
                for item, value in zip(part.items[begin:end], wanted[first:last], strict=True):
                    self._change(item, value, self._column(item.content))
                continue
            for position in range(begin, end):
                item = part.items[position]
                self._forget(item)
                start = item.start if part.is_flow else dashes[position]
                if position in from_elsewhere:
                    self.splices.append(Splice(*self._lines_of(part, position), ""))
                else:
                    self._drop(part, position, start, item.end)
            if last > first:
                written = {new: self._text_of(part, moved[new]) for new in range(first, last) if new in moved}
                values = [(value, written.get(first + place)) for place, value in enumerate(wanted[first:last])]
                self._insert(part, dashes, begin if tag == "insert" else end, values)

    def _moved(
        self, part: YamlPart, old: Sequence[JsonValue], wanted: Sequence[JsonValue], steps: Sequence[AlignmentStep]
    ) -> dict[int, int]:
        """Find the items that stand elsewhere now and are the same: their new place and their old one."""
        gone = [place for tag, begin, end, *_ in steps if tag != "equal" for place in range(begin, end)]
        come = [place for tag, _, _, begin, end in steps if tag != "equal" for place in range(begin, end)]
        found: dict[int, int] = {}
        for new in come:
            same = (place for place in gone if place not in found.values() and repr(old[place]) == repr(wanted[new]))
            place = next(same, None)
            if place is not None and isinstance(old[place], dict) and not has_anchors(part.items[place]):
                found[new] = place
        return found

    def _lines_of(self, part: YamlPart, position: int) -> tuple[int, int]:
        """Return where the lines of an item begin and end, with the comments that stand directly above it."""
        dash = self._dash(part, position)
        begin = self._line_start(dash)
        if self.text[begin:dash].strip():
            raise CannotEditError("it begins behind something else in its line")
        indent = f"{self.text[begin:dash]}#"
        while begin and self.text[self._line_start(begin - 1) : begin].startswith(indent):
            begin = self._line_start(begin - 1)
        return begin, self._line_end(part.items[position].end)

    def _text_of(self, part: YamlPart, position: int) -> str:
        begin, end = self._lines_of(part, position)
        text = self.text[begin:end]
        return text if text.endswith("\n") else text + self.newline

    def _insert(
        self, part: YamlPart, dashes: Sequence[int], position: int, values: Sequence[tuple[JsonValue, str | None]]
    ) -> None:
        """:param values: each with its lines as they stand elsewhere; None: it is written anew."""
        if part.is_flow:
            written = [_dump(value, is_flow=True).rstrip("\n") for value, _ in values]
            if position == 0:
                start = part.items[0].start
                self.splices.append(Splice(start, start, "".join(f"{text}, " for text in written)))
            else:
                end = part.items[position - 1].end
                self.splices.append(Splice(end, end, "".join(f", {text}" for text in written)))
            return
        column = self._column(dashes[0])
        lines = "".join(self._block_item(value, column) if text is None else text for value, text in values)
        if position == 0:
            begin, _ = self._lines_of(part, 0)
            self.splices.append(Splice(begin, begin, lines))
        else:
            self._add_lines(part.items[position - 1].end, lines)

    def _drop(self, part: YamlPart, position: int, begin: int, end: int) -> None:
        """Leave out an entry or an item, with the whole lines on which it stands."""
        if part.is_flow:
            self._drop_flow(part, position, end)
            return
        line = self._line_start(begin)
        if self.text[line:begin].strip():
            raise CannotEditError("it begins behind something else in its line")
        self.splices.append(Splice(line, self._line_end(end), ""))

    def _drop_flow(self, part: YamlPart, position: int, end: int) -> None:
        parts = [(key.start, value.end) for key, value in part.entries] or [(i.start, i.end) for i in part.items]
        if any("#" in self.text[before[1] : after[0]] for before, after in pairwise(parts)):
            raise CannotEditError("comments stand between the parts of its line")
        if position + 1 < len(parts):
            self.splices.append(Splice(parts[position][0], parts[position + 1][0], ""))
        elif any(splice.end == parts[position][0] for splice in self.splices):
            raise CannotEditError("what stands before it in its line is left out too")
        else:
            self.splices.append(Splice(parts[position - 1][1], end, ""))

    def _add_flow(self, part: YamlPart, written: Sequence[str]) -> None:
        if any(splice.end == part.entries[-1][1].end and not splice.text for splice in self.splices):
            raise CannotEditError("what stands before it in its line is left out too")
        end = part.entries[-1][1].end
        self.splices.append(Splice(end, end, "".join(f", {text}" for text in written)))

    def _replace_all(self, part: YamlPart, wanted: JsonValue, column: int) -> None:
        self._forget(part)
        if part is self.root:
            raise CannotEditError("nothing of it would be left")
        self._replace(part, wanted, column)

    def _replace(self, part: YamlPart, wanted: JsonValue, column: int) -> None:
        """Write a part anew; its anchor stays, for aliases that mean the same now."""
        for _, inside in part.entries:
            self._forget(inside)
        for inside in part.items:
            self._forget(inside)
        tail = self.newline if self._ends_with_line(part) else ""
        anchor = f"&{part.anchor} " if part.anchor else ""
        if self._is_inside_flow(part) or not isinstance(wanted, dict | list) or not wanted:
            text = _dump(wanted, is_flow=True).rstrip("\n")
            if "\n" in text:
                raise CannotEditError("a text of several lines does not fit there")
            is_block = part.kind in {"mapping", "list"} and not part.is_flow
            if not is_block:
                self.splices.append(Splice(part.content, part.end, text + tail))
                return
            start = self._behind_indicator(part)
            if self._has_comment(start, part.start):
                self.splices.append(Splice(start, start, f" {anchor}{text}"))
                self.splices.append(Splice(self._own_line(part), self._line_end(part.end), ""))
            else:
                self.splices.append(Splice(start, part.end, f" {anchor}{text}{tail}"))
            return
        start = self._behind_indicator(part)
        lines = _dump(wanted, is_flow=False).rstrip("\n").split("\n")
        if self._has_comment(start, part.start):
            if anchor:
                raise CannotEditError("a comment stands between a key and its anchor")
            written = "".join(f"{' ' * column}{line}{self.newline}" for line in lines)
            self.splices.append(Splice(self._own_line(part), self._line_end(part.end), written))
            return
        if self.text[start - 1] == "-" and not anchor:
            begin, column = f" {lines.pop(0)}", self._column(start - 1) + _STEP
        else:
            begin = f" {anchor}".rstrip()
        written = "".join(f"{self.newline}{' ' * column}{line}" for line in lines)
        self.splices.append(Splice(start, part.end, begin + written + tail))

    def _own_line(self, part: YamlPart) -> int:
        """Return where the line of a part begins, in which nothing stands before it but the dash of its first item."""
        line = self._line_start(part.start)
        if self.text[line : part.start].strip(" \t-"):
            raise CannotEditError("it begins behind something else in its line")
        return line

    def _has_comment(self, start: int, end: int) -> bool:
        return "#" in self.text[start:end]

    def _ends_with_line(self, part: YamlPart) -> bool:
        """Whether a part reaches over the end of its last line, as texts in ``|`` and ``>`` do."""
        return part.end > part.start and self.text[part.end - 1] == "\n"

    def _behind_indicator(self, part: YamlPart) -> int:
        """Return where what is before a value ends: its key's colon, or its item's dash."""
        for outer in self._all():
            for key, value in outer.entries:
                if value is part:
                    at = self.text.find(":", key.end)
                    if self.text[key.end : at].strip():
                        raise CannotEditError("something stands between a key and its colon")
                    return at + 1
            for position, item in enumerate(outer.items):
                if item is part:
                    return self._dash(outer, position) + 1
        raise CannotEditError("it is the whole document")

    def _forget(self, part: YamlPart) -> None:
        """Know that the anchors in a part are not written any more."""
        if part.anchor:
            self.old[part.anchor] = data_of(part, self.text, dict(self.old))
            self.new[part.anchor] = _GONE
        for key, value in part.entries:
            self._forget(key)
            self._forget(value)
        for item in part.items:
            self._forget(item)

    def _is_inside_flow(self, part: YamlPart) -> bool:
        return any(
            outer.is_flow and outer is not part and outer.start < part.start < outer.end for outer in self._all()
        )

    def _all(self) -> Iterator[YamlPart]:
        left = [self.root]
        while left:
            part = left.pop()
            yield part
            left += [*part.items, *(inside for entry in part.entries for inside in entry)]

    def _block_entry(self, key: str, value: JsonValue, column: int) -> str:
        return self._lines(_dump({key: value}, is_flow=False), column)

    def _block_item(self, value: JsonValue, column: int) -> str:
        return self._lines(_dump([value], is_flow=False), column)

    def _flow_entry(self, key: str, value: JsonValue) -> str:
        return _dump({key: value}, is_flow=True).strip().removeprefix("{").removesuffix("}")

    def _lines(self, text: str, column: int) -> str:
        return "".join(f"{' ' * column}{line}{self.newline}" for line in text.rstrip("\n").split("\n"))

    def _add_lines(self, end: int, lines: str) -> None:
        at = self._line_end(end)
        if at and self.text[at - 1] != "\n":
            lines = self.newline + lines.removesuffix(self.newline)
        self.splices.append(Splice(at, at, lines))

    def _dash(self, part: YamlPart, position: int) -> int:
        at = part.items[position].start - 1
        while at >= 0 and self.text[at] in " \t\r\n":
            at -= 1
        if at < 0 or self.text[at] != "-":
            raise CannotEditError("an item does not follow its dash")
        return at

    def _line_start(self, at: int) -> int:
        return self.text.rfind("\n", 0, at) + 1

    def _line_end(self, at: int) -> int:
        if at and self.text[at - 1] == "\n":
            return at
        found = self.text.find("\n", at)
        return len(self.text) if found < 0 else found + 1

    def _column(self, at: int) -> int:
        return at - self._line_start(at)
