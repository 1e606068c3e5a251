"""What an installation decides: Airflow's configuration says it, and an environment variable goes before it."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Final

_NO_FERNET_KEY: Final = "{FERNET_KEY}"
"""What Airflow's SDK reads where no airflow.cfg holds a key yet: the same text everywhere, so it is no secret."""

_REFRESH_SECONDS: Final = 30
_SHORTEST_REFRESH: Final = 10
_LONGEST_REFRESH: Final = 3600


def plans_folder() -> Path | None:
    """Return ``DRS_PLANS_FOLDER``, else ``[drs] plans_folder`` of Airflow's configuration; None: neither is set."""
    named = _setting("plans_folder")
    return Path(named) if named else None


def reports_location(folder: str | None = None) -> str:
    """Return where reports are, as an address with a scheme; one such as ``s3://bucket/reports`` stays as it is.

    ``DRS_REPORTS``, else ``[drs] reports`` of Airflow's configuration, else ``reports`` in Airflow's home.

    :param folder: what somebody names for this once; it goes before all of them
    """
    place = folder or _setting("reports") or str(Path(os.environ.get("AIRFLOW_HOME") or "~/airflow") / "reports")
    return place if "://" in place else f"file://{Path(place).expanduser().absolute()}"


def reports_are_a_plain_folder() -> bool:
    """Tell whether reports go to a folder of which nobody has said that machines share it.

    ``file:///…`` says so; a path, or nothing, does not.
    """
    return "://" not in _setting("reports")


def signing_secrets() -> tuple[str, ...]:
    """Return the secrets that documents between tasks are signed with; the first one signs, all of them verify.

    ``DRS_SIGNING_KEY``, else ``[drs] signing_key`` of Airflow's configuration (or its ``_cmd`` and ``_secret``), else
    ``[core] fernet_key``; each may name several, with commas between, to replace a key. Empty: there is none. In
    Airflow's unit test mode, which has no secrets, any text serves.
    """
    named = _setting("signing_key") or airflow_secret("core", "fernet_key")
    secrets = (secret for part in named.split(",") if (secret := part.strip()))
    return tuple(secret for secret in secrets if secret != _NO_FERNET_KEY or _is_unit_test())


def airflow_secret(section: str, name: str) -> str:
    """Return a secret of Airflow's own; empty: nobody has set it.

    The Task SDK then gives the text of Airflow's template, ``{FERNET_KEY}``, which is the same everywhere, and so no
    secret. It serves in Airflow's unit test mode, where there is nothing to protect.
    """
    from airflow.sdk import conf

    found = str(conf.get(section, name, fallback="") or "")
    return found if found != f"{{{name.upper()}}}" or _is_unit_test() else ""


def installation() -> str:
    """Return this Airflow's id: ``DRS_INSTALLATION``, else ``[drs] installation`` of its configuration, else empty."""
    return _setting("installation")


def may_reach_loopback() -> bool:
    """Tell whether steps and notifications may reach the machine that they run on.

    ``DRS_ALLOW_LOOPBACK``, else ``[drs] allow_loopback`` of Airflow's configuration, else no; in Airflow's unit test
    mode, where all there is to reach is on that machine, yes.
    """
    word = _setting("allow_loopback").strip().lower()
    if word:
        return word in {"1", "true", "yes", "on"}
    return _is_unit_test()


def default_notifications() -> str:
    """Return ``DRS_NOTIFY``, else ``[drs] notify`` of Airflow's configuration: a list as a plan's ``notify``, or empty.

    It is told what the clean-up DAG does, whichever plan it is about.
    """
    return _setting("notify")


def inventory_accounts() -> tuple[tuple[str, str], ...]:
    """Return the accounts and Regions that the inventory has beside those of the groups: connection and Region each.

    ``DRS_INVENTORY``, else ``[drs] inventory`` of Airflow's configuration: ``connection/region``, with commas between;
    without ``/region`` it is the connection's own.
    """
    entries = (entry.strip() for entry in _setting("inventory").split(","))
    parted = (entry.rpartition("/") if "/" in entry else (entry, "", "") for entry in entries if entry)
    return tuple(dict.fromkeys((connection.strip(), region.strip()) for connection, _, region in parted))


def inventory_refresh() -> timedelta:
    """Return how old the inventory of the console may grow while somebody looks at it, before AWS is asked again.

    ``DRS_INVENTORY_REFRESH``, else ``[drs] inventory_refresh`` of Airflow's configuration, in seconds from 10 to 3600;
    30 where neither is set, or is no such number.
    """
    word = _setting("inventory_refresh").strip()
    seconds = int(word) if word.isdecimal() else _REFRESH_SECONDS
    return timedelta(seconds=min(max(seconds, _SHORTEST_REFRESH), _LONGEST_REFRESH))


def may_edit_plans() -> bool:
    """Tell whether the console may change files in the plans folder, where they can be written.

    ``DRS_EDIT_PLANS``, else ``[drs] edit_plans`` of Airflow's configuration, else yes. No is for folders whose content
    comes from elsewhere, such as a git checkout that is replaced at every sync. ``branch:PREFIX`` is yes too: see
    :func:`edit_branches`.
    """
    return _setting("edit_plans").strip().lower() not in {"0", "false", "no", "off"}


def edit_branches() -> str | None:
    """Return what the branches are called on which changes of plan files are committed, instead of being written.

    ``DRS_EDIT_PLANS`` or ``[drs] edit_plans`` says ``branch:PREFIX``; None: changes are written into the files.
    """
    word, colon, prefix = _setting("edit_plans").strip().partition(":")
    return prefix.strip() if colon and word.strip().lower() == "branch" else None


def prices_file() -> Path | None:
    """Return ``DRS_PRICES``, else ``[drs] prices`` of Airflow's configuration; None: the package's own table."""
    named = _setting("prices")
    return Path(named) if named else None


def answer_links() -> str:
    """Return ``DRS_ANSWER_LINKS``, else ``[drs] answer_links`` of Airflow's configuration: whose links count."""
    return _setting("answer_links")


def recovery_managers() -> str:
    """Return ``DRS_RECOVERY_MANAGERS``, else ``[drs] recovery_managers`` of Airflow's configuration, or empty.

    User names and ``role:NAME``, with commas between (``rules.roles.managers``); empty: nobody is singled out.
    """
    return _setting("recovery_managers")


def _setting(name: str) -> str:
    if value := os.environ.get(f"DRS_{name.upper()}"):
        return value
    from airflow.sdk import conf  # only now: a command that is told where its plans are does without Airflow

    return str(conf.get("drs", name, fallback="") or "")


def _is_unit_test() -> bool:
    from airflow.sdk import conf

    return bool(conf.getboolean("core", "unit_test_mode", fallback=False))
