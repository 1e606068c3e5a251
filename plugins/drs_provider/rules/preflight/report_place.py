"""What speaks against the place of the reports."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from drs_provider.rules.findings import Finding, Severity

_ON_ONE_MACHINE: Final = frozenset({"LocalExecutor", "SequentialExecutor", "DebugExecutor"})

_HOW_TO_NAME: Final = (
    "set DRS_REPORTS, or [drs] reports of Airflow's configuration, to s3://… or, if all machines share the folder, to "
    "file:///…"
)


@dataclass(frozen=True)
class ReportPlace:
    """What is known of the place of the reports.

    :ivar problem: why nothing can be written there; None: it can
    :ivar folder: the folder, where the setting names one as a path, so that nobody has said that machines share it
    :ivar executors: Airflow's executors that run tasks on other machines than their scheduler's
    """

    problem: str | None = None
    folder: str | None = None
    executors: Sequence[str] = ()

    def findings(self, plan: str, severity: Severity) -> Iterator[Finding]:
        """Say what is wrong with the place, about the plan as a whole.

        :param severity: of a place that cannot be written to
        """
        if self.problem is not None:
            step = "set DRS_REPORTS, or [drs] reports of Airflow's configuration, to a place that can be written"
            yield Finding(severity, plan, plan, f"its report cannot be written: {self.problem}", step, "reports")
        elif self.folder is not None and self.executors:
            what = (
                f"its report goes to the folder {self.folder} of one machine, and {' and '.join(self.executors)} runs "
                "tasks on several: other machines see neither the report nor the plan that is kept for the run"
            )
            yield Finding("warning", plan, plan, what, _HOW_TO_NAME, "reports")


def executors_elsewhere(setting: str) -> tuple[str, ...]:
    """Return the executors that run tasks on other machines, from Airflow's ``[core] executor``.

    Airflow takes several with commas between, each a name or the path of a class, with an alias before it
    (``far:path.of.Class``), and lists of teams (``ones;team=others``).
    """
    named = (part.rpartition("=")[2].strip() for teams in setting.split(";") for part in teams.split(","))
    classes = (part.rpartition(":")[2].rpartition(".")[2] for part in named if part)
    return tuple(dict.fromkeys(name for name in classes if name not in _ON_ONE_MACHINE))
