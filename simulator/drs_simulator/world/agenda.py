"""What is due when: a queue of named things to do, in the order of simulated time, without threads."""

import heapq
from dataclasses import dataclass, field


@dataclass(order=True)
class Entry:
    """Something that happens at a simulated second."""

    due: float
    number: int
    name: str = field(compare=False)
    arguments: tuple[object, ...] = field(compare=False)


class Agenda:
    """A heap of entries; entries of the same second keep the order in which they were added."""

    def __init__(self) -> None:
        self._heap: list[Entry] = []
        self._count = 0

    def add(self, due: float, name: str, *arguments: object) -> None:
        """Note that `name` happens at a simulated second."""
        self._count += 1
        heapq.heappush(self._heap, Entry(due, self._count, name, arguments))

    def pop_due(self, now: float) -> Entry | None:
        """Return the earliest entry that is due, taken off; None when none is."""
        if self._heap and self._heap[0].due <= now:
            return heapq.heappop(self._heap)
        return None

    def __len__(self) -> int:
        return len(self._heap)
