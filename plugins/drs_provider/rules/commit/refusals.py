"""What speaks against rolling a server back, in words, and which of it people may insist on."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from drs_provider.formatting import some


@dataclass(frozen=True)
class Refusal:
    """Why a server must not be rolled back; ``may_be_insisted_on``: people may, knowing it."""

    server_id: str
    hostname: str
    reason: str
    may_be_insisted_on: bool = False

    def __str__(self) -> str:
        return f"{self.hostname} ({self.server_id}): {self.reason}"

    def is_lifted(self, insisted: Collection[str]) -> bool:
        """Tell whether people insist on rolling this server back all the same."""
        return self.may_be_insisted_on and self.server_id in insisted


def refusal_words(refusals: Sequence[Refusal], *, insists: bool, plan: str) -> str:
    """Word why a roll back of a plan is refused, and what to do; empty: nothing refuses it."""
    firm = [refusal for refusal in refusals if not refusal.may_be_insisted_on]
    soft = [refusal for refusal in refusals if refusal.may_be_insisted_on]
    if firm:
        return f"the roll back is refused, nothing was terminated: {some(list(map(str, firm)))}"
    if soft and not insists:
        return (
            f"the roll back is refused, nothing was terminated: {some(list(map(str, soft)))}. To roll back all the "
            f"same, begin the reason with {plan}:"
        )
    return ""
