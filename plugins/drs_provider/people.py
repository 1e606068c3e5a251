"""When two names, or two addresses, are one person's: nobody counts twice by writing a name in another way."""

import unicodedata
from collections.abc import Iterable, Mapping

COMMAND_LINE = " (command line)"
"""Stands behind the name of who started a run from Airflow's command line, which takes any name for the person."""


def person_key(name: str) -> str:
    """Return what a name is compared by: without case, blanks, invisible characters, and in one form of each letter."""
    key = _folded(name)
    while (again := _folded(key)) != key:  # what is left when something invisible goes may combine anew
        key = again
    return key


def _folded(text: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(char for char in folded if not char.isspace() and unicodedata.category(char) not in {"Cf", "Cc"})


def is_same_person(one_name: str | None, other_name: str | None) -> bool:
    """Tell whether two names are one person's; a name that nobody knows is nobody's."""
    return bool(one_name and other_name) and person_key(str(one_name)) == person_key(str(other_name))


def address_key(address: str) -> str:
    """Return what a mail address is compared by: its mailbox, without case and without what stands behind ``+``."""
    mailbox, _, domain = person_key(address).rpartition("@")
    return f"{mailbox.partition('+')[0]}@{domain.rstrip('.')}"


def is_said_by_anybody(name: str | None) -> bool:
    """Tell whether a run was started from the command line, where the name proves nothing."""
    return bool(name) and str(name).endswith(COMMAND_LINE)


def alike(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Return names that are written differently and are one person's, together."""
    found: dict[str, dict[str, None]] = {}
    for name in names:
        found.setdefault(person_key(name), {})[name] = None
    return [tuple(same) for same in found.values() if len(same) > 1]


def sharing_an_address(addresses: Mapping[str, Iterable[str]]) -> list[tuple[str, ...]]:
    """Return people who share a mailbox, together: who reads it could answer as each of them.

    :param addresses: the addresses of each person, by name
    """
    found: dict[str, dict[str, str]] = {}
    for name, known in addresses.items():
        for address in known:
            found.setdefault(address_key(address), {}).setdefault(person_key(name), name)
    return list(dict.fromkeys(tuple(people.values()) for people in found.values() if len(people) > 1))
