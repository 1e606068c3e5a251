"""The console's pages: what they show, and that it is shown as text."""

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from drs_provider.exceptions import AccessDenied
from kit.console import Console, FakeAccount, server

EVIL = "</script><img src=x onerror=alert(1)>\"' \u05d0\u05d1 \U0001f4a3 {{ 7 * 7 }}"
GROUPS = """
kind: ProtectionGroup
name: shop-db
region: us-west-2
description: TEXT
servers: [s-00000000000000001]
select: {tags: {App: TEXT}}
---
kind: RecoveryPlan
name: shop
rpo: 5m
drill: {network: shared}
waves: [{name: database, groups: [shop-db]}]
"""


class Seen(HTMLParser):
    """Every tag and every text of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self.attributes = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture
def console(tmp_path: Path) -> Console:
    plans = tmp_path / "plans"
    plans.mkdir()
    (plans / "shop.yaml").write_text(GROUPS.replace("TEXT", "'" + EVIL.replace("'", "''") + "'"))
    found = [
        server(1, EVIL, state="STALLED", **{EVIL: EVIL}),
        server(2, "web1", App=EVIL),
        server(3, "lost"),
    ]
    return Console(plans, {("aws_default", "us-west-2"): FakeAccount(servers=found)})


@pytest.mark.parametrize("path", ["/servers", "/servers?q=onerror", "/groups", "/group?name=shop-db"])
def test_texts_of_others_are_shown_as_texts(console, path):
    answer = console.client().get(path)
    seen = Seen(answer.text)

    assert answer.status_code == 200
    assert (seen.tags.count("script"), seen.tags.count("img")) == (1, 0)
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    assert any(EVIL in text for text in seen.texts)
    assert "49" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("value", [EVIL, "'\"><script>", "\u202e\U0001f4a3"])
def test_what_is_searched_for_comes_back_as_text(console, value):
    seen = Seen(console.client().get("/servers", params={"q": value}).text)

    assert ("value", value) in seen.attributes
    assert seen.tags.count("script") == 1


def test_no_page_asks_another_host_for_anything(console):
    for path in ("/servers", "/groups", "/group?name=shop-db", "/group"):
        seen = Seen(console.client().get(path).text)
        addresses = [value for name, value in seen.attributes if name in {"href", "src", "action"}]
        assert addresses
        assert [address for address in addresses if ":" in address or address.startswith("/")] == []
        assert ("target", "_top") not in seen.attributes


def hostnames(page):
    return [html.unescape(name) for name in re.findall(r'<b dir="auto">(.*?)</b>', page)]


def test_a_list_is_searched_sorted_and_paged_by_its_links(console, monkeypatch):
    from drs_provider.ui.console import app

    monkeypatch.setattr(app, "ROWS", 2)
    client = console.client()
    first = client.get("/servers?sort=-hostname").text
    assert hostnames(first) == ["web1", "lost"]
    following = html.unescape(re.search(r'href="([^"]*)">Next page', first)[1])
    second = client.get(f"/{following}").text
    assert hostnames(second) == [EVIL]
    assert ("Next page" in second, "First page" in second) == (False, True)
    assert hostnames(client.get("/servers?view=unprotected").text) == ["lost"]
    backwards = html.unescape(re.search(r'href="([^"]*)">Server</a>', client.get("/servers").text)[1])
    assert "sort=-hostname" in backwards


def test_views_say_how_many_servers_they_have(console):
    seen = " ".join(Seen(console.client().get("/servers").text).texts)

    for words in (
        "All servers (3)",
        "Unprotected: in no group (1)",
        "Not in any plan (1)",
        "Stalled, or lagging above the objective (1)",
        "Members that do not replicate (1)",
    ):
        assert words in seen


def test_an_account_that_cannot_be_asked_is_said_on_the_page(console):
    console.accounts["aws_default", "us-west-2"].error = AccessDenied("DescribeSourceServers", "AccessDenied", "no")
    page = console.client().get("/servers").text

    assert 'role="alert"' in page
    assert "111122223333 us-west-2 cannot be asked now" in page
    assert "DescribeSourceServers: AccessDenied: no" in page


def test_only_who_may_change_groups_sees_the_form(console):
    client = console.client()
    assert 'id="editor"' in client.get("/group?name=shop-db").text
    assert "New group" in client.get("/groups").text
    console.may_edit = False
    client = console.client()
    assert 'id="editor"' not in client.get("/group?name=shop-db").text
    assert "New group" not in client.get("/groups").text
    assert client.get("/group").status_code == 403


@pytest.mark.parametrize(
    ("path", "status"),
    [("/group?name=none", 404), ("/servers?sort=none", 422), ("/servers?after=x", 422), ("/groups?sort=x", 422)],
)
def test_an_address_of_nothing_is_refused(console, path, status):
    assert console.client().get(path).status_code == status
