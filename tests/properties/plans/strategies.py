"""Plans and groups as hypothesis builds them: forwards, so that every one of them is valid."""

from datetime import timedelta

from drs_provider.formatting import timespan
from drs_provider.people import person_key
from drs_provider.plan.model import EVENTS
from hypothesis import strategies as st

NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,10}", fullmatch=True).filter(
    lambda name: name not in ("preflight", "finish")
)
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_characters="{}", exclude_categories=("Cc", "Cs")), min_size=1, max_size=20
).filter(lambda text: bool(text.strip()))
DURATIONS = st.integers(1, 10**7).map(lambda seconds: timespan(timedelta(seconds=seconds)))
DELAYS = st.one_of(DURATIONS, st.just("0s"))
FREE = st.dictionaries(
    NAMES,
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**9), 10**9) | TEXTS,
        lambda inside: st.lists(inside, max_size=3),
        max_leaves=5,
    ),
    max_size=3,
)
PEOPLE = st.lists(TEXTS, min_size=1, max_size=3, unique_by=person_key)
STEP = {
    "wait": {"for": DURATIONS},
    "tcp": {"host": TEXTS.map(lambda text: f"host-{text}"), "port": st.integers(1, 65_535)},
    "http": {"url": TEXTS.map(lambda text: f"https://shop.example/{text}")},
    "lambda": {"function": TEXTS, "payload": FREE},
    "dag": {"dag_id": TEXTS, "conf": FREE},
    "webhook": {"http_conn_id": TEXTS, "payload": FREE},
    "ssm_command": {
        "document": TEXTS,
        "parameters": st.dictionaries(TEXTS, st.one_of(TEXTS, st.lists(TEXTS, min_size=1, max_size=2)), max_size=2),
    },
    "ssm_automation": {"document": TEXTS},
    "approval": {"message": TEXTS, "approvers": PEOPLE},
}


@st.composite
def steps(draw, at_most=2):
    """A list of steps, each with a name of its own."""
    names = draw(st.lists(NAMES.map(lambda name: f"step-{name}"), max_size=at_most, unique=True))
    made = []
    for name in names:
        kind = draw(st.sampled_from(sorted(STEP)))
        common = st.fixed_dictionaries(
            {},
            optional={
                "timeout": DURATIONS,
                "retries": st.integers(0, 3),
                "when": st.sampled_from(["drill", "recovery", "migration", "always"]),
            },
        )
        made.append({"kind": kind, "name": name, **draw(st.fixed_dictionaries(STEP[kind])), **draw(common)})
    return made


@st.composite
def waves(draw, names):
    """Waves over these group names; each waits for earlier ones only."""
    wave_names = draw(st.lists(NAMES, min_size=len(names), max_size=len(names), unique=True))
    made = []
    for place, (name, group) in enumerate(zip(wave_names, names, strict=True)):
        wave = {"name": name, "groups": [group]}
        if draw(st.booleans()):
            above = wave_names[:place]
            wave["depends_on"] = draw(st.lists(st.sampled_from(above), unique=True)) if above else []
        extra = {
            "tolerate_failures": st.sampled_from([0, "0%", "10%", "100%"]),
            "retry_failed": st.integers(0, 3),
            "timeout": DURATIONS,
            "ready": st.sampled_from(["launched", "running", "status_checks"]),
            "delay_before": DELAYS,
            "pause_before": st.fixed_dictionaries({"message": TEXTS, "approvers": PEOPLE}),
            "before": steps().map(lambda made: [{**step, "name": f"b-{step['name']}"} for step in made]),
            "after": steps(),
        }
        wave |= draw(st.fixed_dictionaries({}, optional=extra))
        made.append(wave)
    return made


@st.composite
def groups(draw, name, number):
    """A group with server ids that no other group has."""
    servers = [f"s-{number:08}{place:09}" for place in range(draw(st.integers(0, 3)))]
    group = {"kind": "ProtectionGroup", "name": name}
    group |= draw(
        st.fixed_dictionaries(
            {}, optional={"description": TEXTS, "region": st.sampled_from(["us-west-2", "eu-central-1"])}
        )
    )
    if servers:
        group["servers"] = [
            server if draw(st.booleans()) else {"id": server, "critical": draw(st.booleans())} for server in servers
        ]
    if not servers or draw(st.booleans()):
        values = st.one_of(TEXTS, st.lists(TEXTS, min_size=1, max_size=2))
        group["select"] = {"tags": draw(st.dictionaries(TEXTS, values, min_size=1, max_size=2))}
    return group


@st.composite
def libraries(draw):
    """A plan and its groups, as documents."""
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    plan = {"kind": "RecoveryPlan", "name": draw(NAMES), "waves": draw(waves(names))}
    extra = {
        "title": TEXTS,
        "owner": TEXTS,
        "tags": st.lists(TEXTS, max_size=3),
        "rto": DURATIONS,
        "rpo": DURATIONS,
        "drill": st.fixed_dictionaries(
            {},
            optional={
                "network": st.sampled_from(["shared", "isolated", {"vpc": "vpc-1"}]),
                "keep_for": DELAYS,
                "schedule": st.sampled_from(["@weekly", "0 5 * * SUN"]),
                "max_cost": st.integers(1, 99),
            },
        ),
        "recovery": st.fixed_dictionaries(
            {}, optional={"approval": PEOPLE.map(lambda people: {"approvers": people, "required": len(people)})}
        ),
        "migration": st.fixed_dictionaries({}, optional={"max_lag": DURATIONS, "sync_timeout": DURATIONS}),
        "notify": st.lists(
            st.fixed_dictionaries(
                {"kind": st.just("webhook"), "http_conn_id": TEXTS},
                optional={"on": st.lists(st.sampled_from(EVENTS), min_size=1)},
            )
            | st.fixed_dictionaries(
                {"kind": st.just("email"), "to": st.just(["ops@example.org"])},
                optional={"people": st.lists(NAMES).map(lambda names: {name: f"{name}@example.org" for name in names})},
            ),
            max_size=2,
        ),
        "before": steps().map(lambda made: [{**step, "name": f"b-{step['name']}"} for step in made]),
        "after": steps(),
    }
    plan |= draw(st.fixed_dictionaries({}, optional=extra))
    return plan, [draw(groups(name, number)) for number, name in enumerate(names)]
