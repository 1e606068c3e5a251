"""What ``drs`` prints: text of others (tags, hostnames, notes of a run) never steers the terminal."""

import io
from collections.abc import Iterable
from typing import TextIO

from drs_provider.formatting import plain


class Plain(io.TextIOBase):
    """A stream that writes to another one, with everything that steers a terminal written out."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, and say how much of the given text was written: all."""
        self._stream.write(plain(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:  # type: ignore[override]  # typeshed wants its own iterable
        """Write lines."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hand on what is kept."""
        self._stream.flush()

    def fileno(self) -> int:
        """Return the number of the stream's file."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Tell whether a person reads it."""
        return self._stream.isatty()

    def writable(self) -> bool:
        """It is for writing."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]  # the base class calls it an attribute
        """Its encoding is the stream's."""
        return self._stream.encoding
