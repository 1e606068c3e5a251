"""Records of a campaign's runs, made up: what the judge is fed."""

from dataclasses import replace

from benchmarks.chaos.judge import judge
from benchmarks.chaos.record import Heard, Said, read_record, run_key
from benchmarks.chaos.scenarios import Scenario, Server, Wave

A, B, C = Server("s-1", "a"), Server("s-2", "b", critical=False), Server("s-3", "c")
DRILL = Scenario(1, "drill", (Wave("w0", (A, B)), Wave("w1", (C,), ("w0",))), (), ())
RECOVERY = replace(DRILL, mode="recovery")


def job(number, wave, attempt="1", *, mode="drill", run=None, ended=True, **servers):
    run = run or run_key(DRILL)
    return {
        "jobID": f"job-{number}",
        "type": "LAUNCH",
        "initiatedBy": "START_DRILL" if mode == "drill" else "START_RECOVERY",
        "status": "COMPLETED" if ended else "STARTED",
        "creationDateTime": f"2026-01-01T00:0{number}:00Z",
        "tags": {
            "drs-orchestrator:run": run,
            "drs-orchestrator:wave": wave,
            "drs-orchestrator:try": attempt,
        },
        "endDateTime": f"2026-01-01T00:0{number}:50Z" if ended else None,
        "timeline": {
            server.replace("_", "-"): {"status": status, "instance": f"i-{number}-{server}"}
            for server, status in servers.items()
        },
    }


def state(*jobs, live=(), **ec2):
    instances = {
        part["instance"]: "terminated" if job["initiatedBy"] == "START_DRILL" else "running"
        for job in jobs
        for part in job["timeline"].values()
        if part["status"] != "FAILED"
    }
    return {
        "accounts": {
            "1": {
                "us-west-2": {
                    "jobs": {job["jobID"]: job for job in jobs},
                    "ec2_instances": {**instances, **{name.replace("_", "-"): value for name, value in ec2.items()}},
                    "recovery_instances": {
                        name: {"sourceServerID": server, "ec2InstanceID": name, "isDrill": False}
                        for server, name in live
                    },
                }
            }
        }
    }


def report(verdict="passed", **statuses):
    said = {"s-1": "LAUNCHED", "s-2": "LAUNCHED", "s-3": "LAUNCHED"}
    said |= {name.replace("_", "-"): status for name, status in statuses.items()}
    servers = [{"server_id": server, "status": status.lower()} for server, status in said.items()]
    return {
        "verdict": verdict,
        "verdict_reason": "because",
        "finished_at": "2026-01-01T00:09:00Z",
        "waves": [{"servers": servers}],
        # What was launched is named somewhere, whatever has become of it.
        "timeline": [f"i-{number}-s_{server}" for number in range(5) for server in range(5)],
    }


FIRST, SECOND = job(1, "w0", s_1="LAUNCHED", s_2="LAUNCHED"), job(2, "w1", s_3="LAUNCHED")
GOOD = Said("success", report())


def problems(said, *jobs, one=DRILL, live=(), calls=(), networks=None, heard=None, **ec2):
    found = state(*jobs, live=live, **ec2)
    record = read_record(found, found, calls=calls, networks=networks, heard=heard or Heard())
    return judge(one, said, record)
