"""What Airflow's plugin loader executes in a plugins folder: hands over the plugin, or says why it must not.

Airflow executes every file of a plugins folder that ``.airflowignore`` lets through, which is this one alone, and it
loads the entry points of installed distributions as well. The package may reach it on both ways at once:

* only in the plugins folder: this file registers the plugin;
* installed, and no copy here: there is no such file, the entry point registers it;
* installed in editable mode from here: both ways lead to one copy, the entry point registers it, this file does not;
* installed, and another copy here: two versions of one program would run in one Airflow. This file refuses.
"""

from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path


def _install() -> None:
    here = Path(__file__).resolve().parent / "drs_provider"
    spec = find_spec("drs_provider")  # without executing it
    found = Path(spec.origin).resolve().parent if spec and spec.origin else None
    if found != here:
        raise ImportError(
            f"two copies of drs_provider: {found} is what Python imports, {here} lies in Airflow's plugins folder. "
            f"Remove one: run 'pip uninstall airflow-provider-drs', or delete {here} and {Path(__file__).resolve()}"
        )
    if not any(point.value.startswith("drs_provider.") for point in entry_points(group="airflow.plugins")):
        from drs_provider.ui.plugin import DrsPlugin

        globals()["DrsPlugin"] = DrsPlugin


_install()
