"""A simulator with the way back in both Regions, and the services that go it, in simulated time."""

from datetime import UTC, datetime, timedelta

from drs_provider.rules.failback.circle import ReplicationPlace
from drs_provider.services.failback.launch_back import LaunchBack
from drs_provider.services.failback.read import CircleReader
from drs_provider.services.failback.removal import Removal
from drs_provider.services.failback.reverse import Reversal
from drs_provider.services.launch.launch_memory import Memory as LaunchMemory
from drs_provider.services.launch.start_jobs import Request

ONE, TWO, DATA_CENTRE = "s-0hello00000000001", "s-0hello00000000002", "s-0centre0000000001"
BOTH = (ONE, TWO)
ACCOUNT = "111122223333"
WAY_BACK_FLEET = {
    "jitter": 0,
    "accounts": [
        {
            "id": ACCOUNT,
            "regions": [
                {
                    "name": "us-west-2",
                    "network": {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.1.0/24"}},
                    "servers": [
                        {"hostname": "hello1", "id": ONE, "origin": {"region": "us-east-1"}},
                        {"hostname": "hello2", "id": TWO, "origin": {"region": "us-east-1"}},
                        {"hostname": "centre1", "id": DATA_CENTRE},
                    ],
                }
            ],
        }
    ],
}
WEST = {"aws_conn_id": None, "region_name": "us-west-2", "verify": None, "config": None}


class Memory(dict):
    """A task's memory."""

    def set(self, key, value):
        self[key] = value


class WayBackWorld:
    """A simulator, the reader of its servers, and a clock that the looks live in."""

    def __init__(self, simulator):
        self.simulator = simulator
        self.began = datetime.now(UTC)
        self.reader = CircleReader(WEST, now=self.now)
        self.store = Memory()

    def now(self):
        return self.began + timedelta(seconds=self.simulator.clock()["simulated_seconds"])

    def later(self, length="1m"):
        self.simulator.advance(length)

    def recovered(self, *servers):
        self.reader.recovery.start_recovery(servers, is_drill=False, tags={})
        self.later("25m")

    def stages(self, *servers):
        return [state.stage for state in self.reader.read(servers).states.values()]

    def called(self, operation):
        return [call["status"] for call in self.simulator.calls() if call["operation"] == operation]

    def until_done(self, service, servers, *, most=90):
        """Look every minute until nothing waits and nobody is needed; return the last look."""
        for _ in range(most):
            look = service.look(servers)
            if look.is_over:
                return look
            self.later()
        raise AssertionError(look.steps)

    @property
    def east(self):
        return self.reader.hook_in(ReplicationPlace(ACCOUNT, "us-east-1"))

    def set_up_origin(self):
        self.east.conn.initialize_service()

    def reversal(self, goal="ready", store=None):
        return Reversal(self.reader, self.store if store is None else store, goal=goal, now=self.now)

    def removal(self, **more):
        return Removal(self.reader, self.store, now=self.now, **more)

    def ready(self, *servers):
        self.recovered(*servers)
        assert set(self.until_done(self.reversal(), servers).done) == set(servers)

    def request(self, *servers, is_drill=False, run="r1"):
        return Request(
            dag_id="drs.web-shop.failback",
            run_id=run,
            wave="db",
            servers=servers,
            is_drill=is_drill,
            replace_live_instances=False,
            since=datetime.now(UTC) - timedelta(hours=1),
        )

    def launch(self, *servers, store=None, kind=LaunchBack, max_tries=0, **more):
        memory = LaunchMemory(self.store if store is None else store, max_tries=max_tries)
        asked = self.request(*servers, **more)
        return kind(self.reader, memory, asked, now=lambda: datetime.now(UTC), sleep=lambda _: None).look()

    def launched_back(self, *servers):
        states = self.reader.read(servers).states
        self.east.start_recovery([states[name].failback_server for name in servers], is_drill=False, tags={})
        self.later("35m")
