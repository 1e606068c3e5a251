"""The error that keeps one run's report from replacing another's."""

from drs_provider.errors import DrsProviderError


class ReportOfAnotherRun(DrsProviderError):
    """The place where a report belongs holds something else; nothing was written."""

    def __init__(self, path: str, run_id: str, found: str) -> None:
        super().__init__(path, run_id, found)
        self.path, self.run_id, self.found = path, run_id, found

    def __str__(self) -> str:
        return (
            f"{self.path} holds {self.found}; the report of run {self.run_id} was not written over it. "
            "Move that file away, or point DRS_REPORTS to another folder, and clear the report task"
        )
