"""What Airflow's plugin loader executes in a plugins folder: hands over the plugin, or says why it must not.

Airflow executes every file of a plugins folder that ``.airflowignore`` lets through, which is this one alone, and it
loads the entry points of installed distributions as well. The package may reach it on both ways at once:

* only in the plugins folder: this file registers the plugin;
* installed, and no copy here: there is no such file, the entry point registers it;
* installed in editable mode from here: both ways lead to one copy (its folder among the installed ones holds schemas at
  most), the entry point registers it, this file does not;
* installed, and another copy here: two versions of one program would run in one Airflow. This file refuses.
"""

from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

_DISTRIBUTION = "airflow-provider-drs"


def _install() -> None:
    here = Path(__file__).resolve().parent / "drs_provider"
    imported, installed, is_registered = _imported(), None, False
    try:
        found = distribution(_DISTRIBUTION)
    except PackageNotFoundError:
        pass
    else:
        installed = Path(str(found.locate_file("drs_provider"))).resolve()
        is_registered = any(point.group == "airflow.plugins" for point in found.entry_points)
    if imported is None:
        raise ImportError(f"{here} cannot be imported: put {here.parent} on PYTHONPATH, as Airflow does by itself")
    for other in (imported, installed):
        if other is not None and other != here and (other / "__init__.py").is_file():
            raise ImportError(
                f"two copies of drs_provider: one in {other}, one in {here}. "
                f"Remove one: run 'pip uninstall {_DISTRIBUTION}', or delete {here} and {Path(__file__).resolve()}"
            )
    if not is_registered:
        from drs_provider.ui.plugin import DrsPlugin

        globals()["DrsPlugin"] = DrsPlugin


def _imported() -> Path | None:
    """Where ``import drs_provider`` leads, without executing it."""
    spec = find_spec("drs_provider")
    return Path(spec.origin).resolve().parent if spec and spec.origin else None


_install()
