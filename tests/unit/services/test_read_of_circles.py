"""In which order both places are asked where servers stand: what happens in between must not be missed."""

from drs_provider.services.failback.read import CircleReader
from kit.circles import A2, A4, B1, EAST, WEST, failback_server, instance, server


class Region:
    """A place that notes what it is asked; its launch ends right after it was asked for its jobs."""

    def __init__(self, place, servers, instances):
        self.place, self.region, self.servers, self.instances, self.asked = place, place.region, servers, instances, []

    def caller_account(self):
        return self.place.account

    def source_servers(self):
        self.asked.append("servers")
        return self.servers

    def recovery_instances(self, *, source_server_ids):
        self.asked.append("instances")
        return self.instances if "jobs" in self.asked else []

    def jobs_since(self, since):
        self.asked.append("jobs")
        return []

    def instance_states(self, ids):
        return dict.fromkeys(ids, "running")


def test_what_ends_between_the_questions_is_seen_as_an_instance():
    regions = {
        WEST.region: Region(WEST, [server()], [instance(state="CONTINUOUS")]),
        EAST.region: Region(EAST, [failback_server()], [instance(A4, A2)]),
    }
    aws = {"aws_conn_id": None, "region_name": WEST.region, "verify": None, "config": None}
    reader = CircleReader(aws, hook_of=lambda arguments: regions[arguments["region_name"]])

    assert reader.read([B1]).states[B1].failed_back == A4
    assert all(region.asked == ["jobs", "servers", "instances"] for region in regions.values())
