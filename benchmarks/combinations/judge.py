"""Whether a combination kept the rules of what must never happen. Pure.

The record is the simulator's; what the product says of itself is only held against it. Every function yields what is
wrong, one sentence each, beginning with the rule.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from benchmarks.combinations.record import Launched, Record, Said
from benchmarks.combinations.scenario import DATABASE, FAILING, HELD, OUTSIDER, WEB, Scenario
from benchmarks.combinations.surroundings import FOREIGN_TYPE

GOOD: Final = ("passed", "completed", "completed_with_exceptions")

_AT_ONCE: Final = timedelta(seconds=1)
_DELETES_POINTS: Final = (
    "StopReplication",
    "DisconnectSourceServer",
    "DisconnectRecoveryInstance",
    "DeleteSourceServer",
)

_SAYS_NO: Final = frozenset(
    {"live_instance", "launch_into", "interface_of_production", "native_plan", "stalled_source", "silent_account"}
)
"""States of the cloud in which a drill is refused before it touches anything."""


def problems(scenario: Scenario, record: Record) -> list[str]:
    """Return everything that is wrong; an empty list: every rule was kept."""
    if record.broken is not None:
        return [f"the run broke off: {record.broken}"]
    return [
        *_not_ended(record),
        *_launched_twice(scenario, record),
        *_out_of_turn(scenario, record),
        *_destroyed(scenario, record),
        *_changed_production(scenario, record),
        *_misplaced(scenario, record),
        *_left_over(scenario, record),
        *_falsely_said(scenario, record),
        *_refused_in_the_disaster(scenario, record),
        *_destructive(record),
        *_wrong_kind(scenario, record),
        *_not_of_the_plan(scenario, record),
        *_unapproved(scenario, record),
        *_in_spite_of(scenario, record),
    ]


def ours(record: Record) -> list[Launched]:
    """Return what the runs themselves have launched."""
    return [launch for launch in record.launches if launch.job not in record.foreign and launch.run]


def _not_ended(record: Record) -> Iterator[str]:
    if record.problem:
        yield f"rule 12: a run does not come to its end: {record.problem}"
    for said in record.said:
        if said.unfinished and not said.is_gone:
            yield f"rule 12: {said.run_id} has not ended: {dict(said.unfinished)}"
        if not said.is_gone and not said.unfinished and said.report is None:
            yield f"rule 4: {said.run_id} ended without a report"


def _launched_twice(scenario: Scenario, record: Record) -> Iterator[str]:
    """One server launched while a launch of it went on, or while an instance of an earlier one lived."""
    mine = ours(record)
    for number, launch in enumerate(mine):
        for earlier in mine[:number]:
            if earlier.server != launch.server or earlier.job == launch.job:
                continue
            if earlier.ended is None or _at(earlier.ended) > _at(launch.began) + _AT_ONCE:
                yield f"rule 1: {launch.server} is in job {launch.job} while it is in {earlier.job}"
            elif (
                earlier.status == "LAUNCHED"
                and not _was_terminated(earlier, launch, record)
                and not _is_told_to_replace(scenario, earlier)
                and not _could_not_start(scenario, earlier)
            ):
                yield f"rule 1: {launch.job} launched {launch.server} again over what {earlier.job} had launched"


def _was_terminated(earlier: Launched, later: Launched, record: Record) -> bool:
    return any(name == earlier.instance and at <= _at(later.began).timestamp() + 1 for at, name in record.terminations)


def _is_told_to_replace(scenario: Scenario, earlier: Launched) -> bool:
    return not earlier.is_drill and not scenario.is_drill and scenario.row["told"] == "replace_live_instances"


def _could_not_start(scenario: Scenario, launch: Launched) -> bool:
    """Whether it was prepared, never started, and EC2 had no machine for it: then it is launched again."""
    return launch.is_prepared and scenario.row["cloud"] == "no_start" and launch.server == FAILING


def _out_of_turn(scenario: Scenario, record: Record) -> Iterator[str]:
    """Yield instances that were started before their job had ended, or before the wave before theirs had come up."""
    started = [(launch, launch.starts[0]) for launch in ours(record) if launch.starts]
    for launch, start in started:
        if launch.ended is None or _at(start["at"]) + _AT_ONCE < _at(launch.ended):
            yield f"rule 1: {launch.instance} of {launch.server} was started before {launch.job} had ended"
    if scenario.row["waves"] != "chain":
        return
    lost = {launch.server for launch in ours(record) if launch.status != "LAUNCHED"} | {FAILING}
    before = [(launch, start) for launch, start in started if launch.server in DATABASE and launch.server not in lost]
    for launch, start in started:
        for other, first in before if launch.server in WEB else ():
            if _at(start["at"]) + _AT_ONCE < _at(first["at"]):
                yield f"rule 1: {launch.server} was started before {other.server}, whose wave comes before its own"


def _destroyed(scenario: Scenario, record: Record) -> Iterator[str]:
    may_replace = not scenario.is_drill and scenario.row["told"] == "replace_live_instances"
    production = [*record.live_before]
    if not scenario.is_drill:
        again = {launch.server: launch.job for launch in ours(record)}
        production += [
            launch.instance
            for launch in ours(record)
            if launch.instance
            and launch.status == "LAUNCHED"
            and (again[launch.server] == launch.job or not _could_not_start(scenario, launch))
        ]
    for instance in production:
        if instance not in record.alive and not may_replace:
            yield f"rule 2: the live recovered instance {instance} is gone"
    for instance in record.drills_before:
        is_spared = scenario.is_drill and scenario.row["told"] != "replace_drills"
        if instance not in record.alive and is_spared:
            yield f"rule 3: somebody else's drill instance {instance} is gone"
    known = {launch.instance for launch in ours(record) if launch.is_drill}
    for _, instance in record.terminations:
        if instance not in known:
            yield f"rule 3: a clean-up terminated {instance}, which no drill of this plan had launched"


def _changed_production(scenario: Scenario, record: Record) -> Iterator[str]:
    if not scenario.is_drill:
        return
    for line in record.changed:
        if scenario.row["cloud"] == "template_tool" and ("launch template" in line or "launch_templates" in line):
            continue  # what the tool itself has made
        if scenario.row["cloud"] == "foreign_drill" and scenario.row["told"] == "replace_drills":
            continue
        yield f"rule 3: the drill leaves the account changed: {line[:600]}"
    if scenario.row["cloud"] == "template_tool" and any(launch.server == HELD for launch in ours(record)):
        is_told = any(HELD in repr(said.report) and said.verdict not in GOOD for said in record.said)
        if record.default_types.get(HELD) != FOREIGN_TYPE and not is_told:
            kind = record.default_types.get(HELD)
            yield f"rule 3: what another tool wrote into the template of {HELD} is lost: {kind}"
    for server, subnets in record.default_places.items():
        if lost := set(subnets) - set(record.production):
            yield f"rule 3: the default launch template of {server} names {', '.join(sorted(lost))}, not production's"


def _misplaced(scenario: Scenario, record: Record) -> Iterator[str]:
    for launch in ours(record):
        if launch.subnet and (launch.subnet in record.production) == scenario.is_isolated:
            mode = scenario.row["mode"]
            yield f"rule 3: {launch.server} was launched into {launch.subnet}, not where a {mode} belongs"


def _left_over(scenario: Scenario, record: Record) -> Iterator[str]:
    if scenario.is_drill:
        for launch in ours(record):
            if launch.instance in record.alive:
                yield f"rule 14: drill instance {launch.instance} of {launch.server} is left over"


def _falsely_said(scenario: Scenario, record: Record) -> Iterator[str]:
    mine = ours(record)
    for said in record.said:
        if said.is_gone or said.report is None or said.unfinished:
            continue
        if (said.state == "success") != (said.verdict in GOOD):
            yield f"rule 4: {said.run_id} is {said.state} for Airflow, and its report says {said.verdict}"
        claimed = {server["server_id"]: server["status"] for wave in said.report["waves"] for server in wave["servers"]}
        stays = scenario.row["launch"] == "stopped"
        launched = {each.server for each in mine if each.status == "LAUNCHED" and (stays or not each.is_prepared)}
        for server, status in claimed.items():
            if status == "launched" and server not in launched:
                yield f"rule 4: the report of {said.run_id} says that {server} was launched, and it was not"
        missing = scenario.chosen - launched
        if said.verdict in ("passed", "completed") and missing:
            yield f"rule 4: {said.run_id} {said.verdict}, and {', '.join(sorted(missing))} were never launched"


def _refused_in_the_disaster(scenario: Scenario, record: Record) -> Iterator[str]:
    is_plain = scenario.row["action"] in ("nothing", "second_run") and scenario.row["cloud"] in (
        "stalled_source",
        "silent_account",
        "throttled",
        "lost_answer",
        "foreign_drill",
        "extended_server",
        "second_interface",
        "template_tool",
        "quiet",
    )
    if not scenario.is_drill and is_plain and not ours(record):
        yield f"rule 5: the recovery was refused: {record.said[0].reason if record.said else ''}"


def _destructive(record: Record) -> Iterator[str]:
    for call in record.writes:
        if call["operation"] in _DELETES_POINTS:
            yield f"rule 7: {call['operation']} (call {call['n']}) was called"


def _wrong_kind(scenario: Scenario, record: Record) -> Iterator[str]:
    for launch in ours(record):
        if launch.is_drill != scenario.is_drill:
            kind = "a" if launch.is_drill else "no"
            yield f"rule 8: {launch.job} of a {scenario.row['mode']} is {kind} drill for DRS"


def _not_of_the_plan(scenario: Scenario, record: Record) -> Iterator[str]:
    rule = {"edited_plan": "rule 10", "edited_xcom": "rule 13"}.get(scenario.row["action"], "rule 3")
    for launch in ours(record):
        if launch.server not in scenario.chosen:
            yield f"{rule}: {launch.job} launched {launch.server}, which does not take part"
    for call in record.writes:
        if OUTSIDER in repr(call["request"]) and call["operation"] != "AssumeRole":
            yield f"{rule}: {call['operation']} (call {call['n']}) named {OUTSIDER}, which is in no plan"
    if scenario.row["cloud"] == "native_plan":
        return
    for launch in record.launches:
        if launch.job not in record.foreign and not launch.run and launch.server in (*DATABASE, *WEB):
            yield f"rule 1: {launch.job} launched {launch.server} without the tags of a run"


def _unapproved(scenario: Scenario, record: Record) -> Iterator[str]:
    if scenario.row["action"] == "mark_approval" and record.acted and ours(record):
        yield "rule 11: a recovery went on after an approval that was marked and not given"


def _in_spite_of(scenario: Scenario, record: Record) -> Iterator[str]:
    """Yield drills that began although what they would have touched was not theirs."""
    if not scenario.is_drill or not ours(record):
        return
    row = scenario.row
    says_no = row["cloud"] in _SAYS_NO or (row["cloud"] == "foreign_drill" and row["told"] != "replace_drills")
    if row["cloud"] == "interface_of_production" and row["network"] == "shared":
        says_no = False
    if row["cloud"] == "silent_account" and row["scope"] == "a_wave":
        says_no = False  # nothing of that wave is in the account
    if says_no or row["told"] == "replace_live_instances":
        yield f"rule 3: the drill was not refused: {_words(row)}"


def _words(row: Mapping[str, str]) -> str:
    return f"cloud={row['cloud']} told={row['told']} network={row['network']}"


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def record_from(data: Mapping[str, object]) -> Record:
    """Read a record that has travelled as JSON."""
    known = dict(data)
    known["said"] = [Said(**said) for said in known.get("said") or ()]  # type: ignore[attr-defined]
    known["launches"] = [Launched(**launch) for launch in known.get("launches") or ()]  # type: ignore[attr-defined]
    return Record(**known)  # type: ignore[arg-type]
