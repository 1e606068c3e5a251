"""Setting back what made DRS leave stopped what was launched ahead."""

from drs_provider.exceptions import AccessDenied, Throttled
from drs_provider.services.settings.started_again import start_again


class Drs:
    """Launch configurations by server; ``fails`` by server."""

    def __init__(self, **fails):
        self.found = {"a": "STOPPED", "b": "STARTED", "c": "STOPPED", "d": "STOPPED"}
        self.fails, self.asked, self.updates = fails, [], []

    def launch_configuration(self, server_id):
        self.asked.append(server_id)
        return {"launchDisposition": self.found[server_id]}

    def update_configuration(self, server_id, update):
        if server_id in self.fails:
            raise self.fails[server_id]
        self.updates.append((server_id, update))


STARTED = {"launchDisposition": "STARTED"}


def test_what_is_refused_for_one_keeps_no_other_stopped():
    denied = AccessDenied("UpdateLaunchConfiguration", "AccessDeniedException", "no")
    drs = Drs(a=denied)

    assert start_again(drs, "abcd") == {"a": str(denied)}
    assert drs.updates == [("c", STARTED), ("d", STARTED)]


def test_once_aws_does_not_answer_nobody_asks_on_and_all_that_may_be_left_is_said():
    drs = Drs(c=Throttled("UpdateLaunchConfiguration", "ThrottlingException", "slow down"))
    words = "UpdateLaunchConfiguration: ThrottlingException: slow down"

    assert start_again(drs, "abcd") == {"c": words, "d": words}
    assert (drs.updates, drs.asked) == ([("a", STARTED)], ["a", "b", "c"])
