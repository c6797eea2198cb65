"""The dashboard over HTTP: who gets in, what every answer carries, what is shown of calls, and what is sent as they change."""

import asyncio
import json
import re
from datetime import datetime, timedelta

import pytest
from aiohttp import ClientResponse
from desk_visit import APP, EVIL, MULTIPART, SETTINGS, SWEDEN, VAULT, Desk, Visit, event_with, next_event

from callgate.passwords import hash_password
from callgate.platform.platforms import platforms
from callgate.service.add_application import AddApplication
from callgate.service.audit_entry import Via
from callgate.service.books import AccountKey
from callgate.service.issue_token import issue_token
from callgate.service.open_account import OpenAccount
from callgate.service.operator import SESSION_LASTS, AddOperator, SetOperator
from callgate.service.ports import AuditFilter
from callgate.service.revoke_token import revoke_tokens
from callgate.service.token import Role
from callgate.service.totp import STEP_S, code_at, new_secret
from callgate.web.app import MAX_FORM_BYTES
from callgate.web.desk import Desk as WebDesk
from callgate.web.feed import MAX_WATCHERS
from callgate.web.live import LiveDesk
from callgate.web.session import COOKIE, FAILURES_ALLOWED

# -- signing in --------------------------------------------------------------------------------------------------------


def test_signed_out_nothing_is_shown_but_the_form(visit: Visit) -> None:
    """Of no call anywhere."""

    async def steps(desk: Desk) -> None:
        await desk.place("c1")
        reply = await desk.get()
        assert reply.status == 200
        page = await reply.text()
        assert 'name="token"' in page and "alice" not in page and SWEDEN not in page
        call = await desk.get("calls/c1?app=app")
        assert (call.status, call.headers["location"]) == (303, "../")
        assert (await desk.get("live")).status == 401

    visit(steps)


def test_a_token_signs_in_and_a_button_out(visit: Visit) -> None:
    """Any role may look."""

    async def steps(desk: Desk) -> None:
        await desk.place("c1")
        assert (await desk.sign_in()).status == 303
        assert SWEDEN in await desk.text()
        assert (await desk.post("sign-out", {})).status == 303
        assert SWEDEN not in await desk.text()

    visit(steps)


def test_no_page_holds_the_token(visit: Visit) -> None:
    """Neither one that was just signed in with it, nor the form after a wrong one, nor any cookie; no session's secret either."""

    async def steps(desk: Desk) -> None:
        await desk.place("c1")
        admin = await issue_token(desk.store, "admin", Role.ADMIN, desk.now)
        wrong = await desk.sign_in(f"{admin}x")
        assert wrong.status == 401 and admin not in await wrong.text()
        await desk.sign_in(admin)
        assert desk.app is not None
        (session,) = [kept.value for kept in desk.browser.cookie_jar if kept.key == COOKIE]
        paths = [route.path for route in desk.app.routes if "GET" in route.methods and "{" not in route.path]
        paths += ["/accounts/alice?app=app", "/calls/c1?app=app", "/applications/app"]
        looked_at = 0
        for path in paths:
            if path == "/live":
                continue
            reply = await desk.get(path.lstrip("/"))
            page = await reply.text()
            looked_at += reply.status == 200
            assert admin not in page and session not in page, path
        assert looked_at >= 12
        assert all(admin not in kept.value for kept in desk.browser.cookie_jar)

    visit(steps)


def test_the_cookie_stays_with_the_browser_and_this_site(visit: Visit) -> None:
    """No script reads it, no other site has it sent, and from https it never leaves https."""

    async def steps(desk: Desk) -> None:
        plain = (await desk.sign_in()).headers["set-cookie"]
        assert {"HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"} <= set(plain.split("; "))
        assert "Secure" not in plain and desk.token not in plain
        secure = (await desk.sign_in(headers={"x-forwarded-proto": "https"})).headers["set-cookie"]
        assert "Secure" in secure.split("; ")

    visit(steps)


def test_a_cookie_that_was_changed_or_is_old_shows_the_form(visit: Visit) -> None:
    """As if there were none."""

    async def steps(desk: Desk) -> None:
        await desk.place("c1")
        await desk.sign_in()
        [cookie] = [kept.value for kept in desk.browser.cookie_jar if kept.key == COOKIE]
        desk.browser.cookie_jar.clear()
        for value in (f"{cookie}x", cookie[:-1], cookie.swapcase(), "x" * 2_000):
            assert SWEDEN not in await desk.text(headers={"cookie": f"{COOKIE}={value}"})
        assert SWEDEN in await desk.text(headers={"cookie": f"{COOKIE}={cookie}"})
        desk.now += SESSION_LASTS
        assert SWEDEN not in await desk.text(headers={"cookie": f"{COOKIE}={cookie}"})

    visit(steps)


def test_signing_out_ends_the_session(visit: Visit) -> None:
    """At the server: a cookie that somebody copied is worth nothing afterwards. So does revoking the token."""

    async def steps(desk: Desk) -> None:
        await desk.place("c1")
        await desk.sign_in()
        [cookie] = [kept.value for kept in desk.browser.cookie_jar if kept.key == COOKIE]
        await desk.post("sign-out", {})
        assert SWEDEN not in await desk.text(headers={"cookie": f"{COOKIE}={cookie}"})
        await desk.sign_in()
        assert SWEDEN in await desk.text()
        await revoke_tokens(desk.store, "viewer")
        assert SWEDEN not in await desk.text()

    visit(steps)


def test_an_operator_signs_in_with_a_password_and_a_code(visit: Visit) -> None:
    """All that is wrong is told in one sentence; a code works once; what is done is done under the operator's name."""

    async def steps(desk: Desk) -> None:
        kept = hash_password("correct horse")
        await desk.store.perform(AddOperator(name="eva", role=Role.OPERATOR, password_hash=kept, now=desk.now))

        async def enter(name: str, password: str, code: str = "") -> ClientResponse:
            form = {"name": name, "password": password, "code": code}
            return await desk.post("sign-in", form)

        for name, password in (("eva", "wrong"), ("adam", "correct horse"), ("eva", "")):
            reply = await enter(name, password)
            assert reply.status == 401 and "Name, password or code are not right." in await reply.text()
        assert (await enter("eva", "correct horse")).status == 303
        top_up = {"amount": "3", "reference": "cash", "app": APP}
        done = await desk.post(f"accounts/alice/top-up?app={APP}", top_up)
        lines = await desk.store.audit_entries(AuditFilter(), before=None, limit=10)
        assert done.status == 303
        assert {(line.who, line.via) for line in lines} == {("operator:eva", Via.DASHBOARD)}
        assert {line.action for line in lines} == {"sign_in", "top_up"}
        secret = new_secret()
        await desk.store.perform(SetOperator(name="eva", sealed_totp=VAULT.seal(secret)))
        code = code_at(secret, int(desk.now.timestamp()) // STEP_S)
        assert (await enter("eva", "correct horse")).status == 401
        assert (await enter("eva", "correct horse", code)).status == 303
        assert (await enter("eva", "correct horse", code)).status == 401
        for _ in range(FAILURES_ALLOWED):
            await enter("eva", "guess")
        assert (await enter("eva", "correct horse", code)).status == 429
        assert (await desk.sign_in()).status == 303  # nobody else is kept out

    visit(steps)


def test_wrong_tokens_are_told_so_and_soon_slowed_down(visit: Visit) -> None:
    """After ten within a minute not even the right one is looked at, until the minute is over."""

    async def steps(desk: Desk) -> None:
        for _ in range(FAILURES_ALLOWED):
            reply = await desk.sign_in("cg_wrong")
            assert reply.status == 401 and "not a token of this server" in await reply.text()
        reply = await desk.sign_in()
        assert (reply.status, reply.headers["retry-after"]) == (429, "60")
        desk.now += timedelta(minutes=1)
        assert (await desk.sign_in()).status == 303

    visit(steps)


def test_a_form_that_is_no_form_is_refused(visit: Visit) -> None:
    """Without an error of ours."""

    async def steps(desk: Desk) -> None:
        assert (await desk.post("sign-in", {"token": "x" * MAX_FORM_BYTES})).status == 413
        assert (await desk.post("sign-in", {"other": "x"})).status == 401
        form = {"token": desk.token, "form_token": await desk.form_token()}
        for body in ({"json": form}, {"data": b"\xff=%ff&&=", "headers": {"content-type": MULTIPART}}):
            reply = await desk.browser.post(desk.url + "sign-in", **body)
            assert reply.status in (400, 403) and COOKIE not in reply.headers.get("set-cookie", "")

    visit(steps)


def test_another_sites_page_can_change_and_hold_nothing(visit: Visit) -> None:
    """Neither sign in or out, nor open a stream."""

    async def steps(desk: Desk) -> None:
        await desk.sign_in()
        for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "http://evil.example"}):
            assert (await desk.sign_in(headers=headers)).status == 403
            out = await desk.post("sign-out", {}, headers=headers)
            assert out.status == 403 and "set-cookie" not in out.headers
            assert (await desk.get("live", headers=headers)).status == 403

    visit(steps)


@pytest.mark.parametrize("is_open", [False, True])
def test_no_form_is_taken_without_the_token_of_this_session(visit: Visit, is_open: bool) -> None:  # noqa: FBT001
    """At every route that takes one: without a token, with one that was changed, with one of another session, of a browser in
    which nobody is signed in, or of another server. Nothing is changed, and the page says what to do.
    """

    async def steps(desk: Desk) -> None:
        assert desk.app is not None
        paths = [re.sub(r"{[^}]+}", "x", route.path) for route in desk.app.routes if "POST" in route.methods]
        assert len(paths) >= 25 and {"/sign-in", "/sign-out", "/hang-up", "/rates/check"} <= set(paths)
        admin = await issue_token(desk.store, "admin", Role.ADMIN, desk.now)
        stranger = await desk.form_token()
        if not is_open:
            await desk.sign_in(admin)
            earlier = await desk.form_token()
            await desk.sign_in(admin)
        else:
            desk.browser.cookie_jar.clear()
            earlier = stranger
        mine = await desk.form_token()
        assert mine != await desk.form_token()  # another one on each page
        foreign = (
            "",
            "x",
            "é",
            stranger,
            earlier,
            f"{mine[:-1]}{'A' if mine[-1] != 'A' else 'B'}",
            mine[:-1],
            "." * 99,
        )
        before = await desk.store.audit_entries(AuditFilter(), before=None, limit=99)
        for path in paths:
            for token in (None, *foreign):
                form = {"amount": "1", "status": "suspended", "token": admin}
                form |= {} if token is None else {"form_token": token}
                reply = await desk.browser.post(desk.url + path[1:], data=form, allow_redirects=False)
                assert (path, token, reply.status) == (path, token, 403)
                assert re.search("Nothing was (changed|sent)", await reply.text())
            empty = await desk.browser.post(desk.url + path[1:], allow_redirects=False)
            assert (path, empty.status) == (path, 403)
        assert await desk.store.audit_entries(AuditFilter(), before=None, limit=99) == before
        for path in paths:
            if path not in ("/sign-in", "/sign-out"):
                reply = await desk.post(path[1:], {})
                assert "Nothing was changed" not in await reply.text(), path
        assert (await desk.post("sign-out", {})).status == 303

    visit(steps, is_open=is_open)


def test_a_browser_without_cookies_is_sent_to_the_form(visit: Visit) -> None:
    """Whatever it sends; and a sign-in whose cookie is gone shows the form anew, with a token that does."""

    async def steps(desk: Desk) -> None:
        old = await desk.form_token()
        desk.browser.cookie_jar.clear()
        sent = {"token": desk.token, "form_token": old}
        reply = await desk.browser.post(desk.url + "hang-up", data=sent, allow_redirects=False)
        assert (reply.status, reply.headers["location"]) == (303, "./")
        reply = await desk.browser.post(desk.url + "sign-in", data=sent, allow_redirects=False)
        again = re.search(r'name="form_token" value="([^"]+)"', await reply.text())
        assert reply.status == 403 and again is not None
        reply = await desk.browser.post(
            desk.url + "sign-in", data=sent | {"form_token": again[1]}, allow_redirects=False
        )
        assert reply.status == 303

    visit(steps)


def test_an_open_dashboard_answers_only_as_this_machine(visit: Visit) -> None:
    """Everybody is signed in, so that a name elsewhere that leads here must not do."""

    async def steps(desk: Desk) -> None:
        await desk.place("c1")
        assert SWEDEN in await desk.text()
        assert SWEDEN in await desk.text(headers={"host": "localhost:8080"})
        for path in ("", "calls/c1?app=app", "live"):
            reply = await desk.get(path, headers={"host": "evil.example"})
            assert reply.status == 421 and SWEDEN not in await reply.text()

    visit(steps, is_open=True)


# -- every answer ------------------------------------------------------------------------------------------------------


def test_every_answer_says_what_browsers_may_do_with_it(visit: Visit) -> None:
    """Errors and static files included; only those last may be kept."""

    async def steps(desk: Desk) -> None:
        await desk.place("c1")
        await desk.sign_in()
        static = re.findall(r'(?:href|src)="\./(static/[^"]+)"', await desk.text())
        assert len(static) == 6
        missing = ("calls/none?app=app", "calls/c1", "calls/c1?app=other", "nowhere", "static/none.css", "sign-in")
        expected = dict.fromkeys(("", "calls/c1?app=app", "live", *static), 200) | dict.fromkeys(missing, 404)
        for path, status in (expected | {"sign-in": 405}).items():
            reply = await desk.get(path)
            assert (path, reply.status) == (path, status)
            assert "default-src 'none'" in reply.headers["content-security-policy"]
            assert "unsafe" not in reply.headers["content-security-policy"]
            assert reply.headers["x-content-type-options"] == "nosniff"
            assert reply.headers["referrer-policy"] == "no-referrer"
            assert reply.headers["cache-control"] == (
                "public, max-age=31536000, immutable" if path in static else "no-store"
            )  # fmt: skip
            reply.close()

    visit(steps)


def test_pages_ask_nothing_of_other_hosts(visit: Visit) -> None:
    """Every address in them is relative, so that they work under any prefix of a proxy too."""

    async def steps(desk: Desk) -> None:
        await desk.place("c1")
        await desk.sign_in()
        for path in ("", "calls/c1?app=app", "nowhere"):
            addresses = re.findall(r'(?:href|src|action)="([^"]*)"', await desk.text(path))
            assert addresses and all(address.startswith(("./", "../", "#")) for address in addresses)

    visit(steps)


# -- what is shown -----------------------------------------------------------------------------------------------------


def test_the_page_without_calls_says_how_to_place_one(visit: Visit) -> None:
    """With a command that can be copied."""

    async def steps(desk: Desk) -> None:
        page = await desk.text()
        assert "callgate call --from user:alice --to +46700000001 --talk 65s" in page
        assert "No call is up." in page

    visit(steps, is_open=True)


def test_the_page_shows_refusal_seconds_and_money(visit: Visit) -> None:
    """Of calls that are up, and of those that were."""

    async def steps(desk: Desk) -> None:
        await desk.place("over")
        await desk.end("over", 65)
        await desk.place("refused", user="mallory")
        await desk.place("up")
        page = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", await desk.text()))
        assert "refused: caller unknown . No account answers to this caller." in page
        assert "connected 65 / 120 s 0.04 USD" in page
        assert "ringing 2,880 of 2,880 s 0.96 USD" in page
        assert "Calls up now 1 Money held 0.96 USD nobody is talking Decided, last minute 3" in page
        assert "Refused of those 1 caller unknown 1" in page

    visit(steps, is_open=True)


def test_the_page_of_a_call_shows_why_and_what_was_said(visit: Visit) -> None:
    """Its numbers digit by digit as they came."""

    async def steps(desk: Desk) -> None:
        await desk.place("c1", to="+33123456789")
        page = await desk.text("calls/c1?app=app")
        assert "refused: no rate" in page and "The account&#39;s rate deck has no price" in page
        assert "&#34;amount&#34;: 0.10\n" in page
        assert "&#34;name&#34;: &#34;hangup&#34;" in page
        assert page.count("passed") == 5

    visit(steps, is_open=True)


def test_what_callers_call_themselves_is_text(visit: Visit) -> None:
    """On the list, in the stream and on the page of the call: never markup, never a template."""

    async def steps(desk: Desk) -> None:
        await desk.place(EVIL, user=EVIL, to=EVIL)
        link = re.search(r'href="\./(calls/[^"]+)"', await desk.text())
        assert link is not None
        shown = [await desk.text(), await desk.text(link[1].replace("&amp;", "&"))]
        async with await desk.get("live") as stream:
            sent = json.loads(await event_with(stream, "recent", "onerror"))
            shown.append("".join(html for _, html in sent["all"]))
        for html in shown:
            assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;" in html
            assert "<script>alert" not in html and "<img" not in html and "49" not in html.split("&lt;img")[1][:60]

    visit(steps, is_open=True)


# -- what is sent ------------------------------------------------------------------------------------------------------


def test_a_stream_sends_what_changed_and_no_more(visit: Visit) -> None:
    """First everything there is; then the parts that are another by now."""

    async def steps(desk: Desk) -> None:
        async with await desk.get("live") as stream:
            assert stream.content_type == "text/event-stream"
            first = [await next_event(stream) for _ in range(4)]
            assert [name for name, _ in first] == ["clock", "counters", "recent", "live"]
            assert first[0][1] == "2026-11-23T12:00:00+00:00"
            await desk.place("c1")
            await event_with(stream, "counters", "1.00")
            assert SWEDEN in (await next_event(stream))[1]  # the recent ones did not change
            await desk.end("c1", 65)
            assert "connected" in await event_with(stream, "recent", SWEDEN)
            assert json.loads(await event_with(stream, "live", "gone")) == {"gone": ["app/c1"], "put": []}

    visit(steps, is_open=True)


def test_who_follows_sees_what_a_whole_look_shows(visit: Visit) -> None:
    """After any change, of which callbacks tell: the same rows, in the same order, and the same counters."""

    async def steps(desk: Desk) -> None:
        def clock() -> datetime:
            return desk.now

        async with platforms(lambda _: None, clock) as platform:
            house = WebDesk(desk.store, desk.catalogs, platform, VAULT, SETTINGS, clock, True, desk.stopping)
            following = LiveDesk(house, None)
            await following.look()
            for number in range(12):
                await desk.place(f"c{number}", user="alice" if number % 4 else "frank")
                if number >= 3:
                    desk.now += timedelta(seconds=0.3)
                    await desk.end(f"c{number - 3}", 61 if number % 2 else 0)
                for application in (APP, None):
                    whole, bound = await LiveDesk(house, None).look(), await LiveDesk(house, application).look()
                    seen = await following.look()
                    assert {
                        name: list(part.items()) if isinstance(part, dict) else part for name, part in seen.items()
                    } == {name: list(part.items()) if isinstance(part, dict) else part for name, part in whole.items()}
                    assert bound == whole
            assert "app/c9" in seen["live"]

    visit(steps, is_open=True)


def test_streams_end_when_the_server_stops(visit: Visit) -> None:
    """All of them, soon: Ctrl-C waits for nobody."""

    async def steps(desk: Desk) -> None:
        streams = [await desk.get("live") for _ in range(3)]
        for stream in streams:
            await next_event(stream)
        desk.stopping.set()
        async with asyncio.timeout(2):
            for stream in streams:
                await stream.read()

    visit(steps, is_open=True)


def test_a_stream_ends_with_the_session(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the next heart-beat."""
    monkeypatch.setattr("callgate.web.feed.HEART_BEAT_S", 0.1)

    async def steps(desk: Desk) -> None:
        await desk.sign_in()
        stream = await desk.get("live")
        await next_event(stream)
        desk.now += SESSION_LASTS
        await stream.read()
        assert (await desk.get("live")).status == 401

    visit(steps)


def test_open_streams_are_bounded_and_closed_ones_make_room(visit: Visit) -> None:
    """One more is turned away until somebody leaves."""

    async def steps(desk: Desk) -> None:
        streams = [await desk.get("live") for _ in range(MAX_WATCHERS)]
        for stream in streams:
            await next_event(stream)
        assert (await desk.get("live")).status == 503
        for stream in streams:
            stream.close()
        while (again := await desk.get("live")).status == 503:  # noqa: ASYNC110 - the server hears of it in its own time
            await asyncio.sleep(0.02)
        again.close()

    visit(steps, is_open=True)


def test_calls_are_found_by_a_part_of_a_number(visit: Visit) -> None:
    """On either side, however it is written; the other filters narrow it down, and other forms say the same."""

    async def steps(desk: Desk) -> None:
        await desk.place("one")
        await desk.place("two", to="+442079460123")
        await desk.place("three", user="174-06")
        for query, expected in {
            "number=174+06+05": ["one", "three"],
            "number=174-06": ["three", "one"],
            "number=%2B44 20": ["two"],
            "number=%25": [],
            "number=alice&outcome=no_rate": ["two"],
            "outcome=refused": ["three", "two"],
            "outcome=live&account=alice": ["one"],
            "account=bob": [],
            "since=2026-11-23T12:01": [],
            "since=1h&until=2026-11-23T12:00:01": ["three", "two", "one"],
            "until=1h": [],
            "app=other": [],
        }.items():
            listed = json.loads(await desk.text(f"calls.json?{query}"))
            assert sorted(item["call_id"] for item in listed["items"]) == sorted(expected), query
            assert listed["next"] is None
        assert (
            (await desk.text("calls.csv?number=174+06&account=alice"))
            .splitlines()[1]
            .startswith("one,app,arrived,alice,alice,")
        )

    visit(steps, is_open=True)


def test_a_time_that_is_none_is_marked(visit: Visit) -> None:
    """With what would do; what else was typed stays."""

    async def steps(desk: Desk) -> None:
        reply = await desk.get("calls?since=yesterday&number=46")
        page = await reply.text()
        assert reply.status == 422
        assert "&#39;yesterday&#39; will not do." in page and 'value="46"' in page and 'aria-invalid="true"' in page

    visit(steps, is_open=True)


def test_a_search_looks_back_so_far_and_says_how_far(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    """And goes on from there, until all have been looked through."""
    monkeypatch.setattr("callgate.storage.watch_reads.LOOKED_THROUGH_LIGHTLY", 4)

    async def steps(desk: Desk) -> None:
        for number in range(10):
            await desk.place(f"c{number}", user="alice" if number == 1 else "frank")
            desk.now += timedelta(seconds=1)
        path, pages = "calls.json?number=alice", []
        while path:
            listed = json.loads(await desk.text(path))
            pages.append([item["call_id"] for item in listed["items"]])
            path = listed["next"] and f"calls.json{listed['next']}"
        assert pages == [[], ["c1"], []]
        assert "Looked back until" in await desk.text("calls?number=alice")

    visit(steps, is_open=True)


def test_only_who_may_operate_moves_money_and_ends_calls(visit: Visit) -> None:
    """A viewer sees no button, and is refused when one is pressed all the same."""

    async def steps(desk: Desk) -> None:
        await desk.place("c1")
        await desk.sign_in()
        for path in ("accounts/alice", "", "calls/c1?app=app"):
            page = await desk.text(path)
            assert "Add money" not in page and "hang-up" not in page and "New account" not in page
        for path in ("accounts/alice/top-up", "accounts/alice/adjust", "accounts/alice/status", "hang-up"):
            assert (await desk.post(path, {"amount": "1", "status": "suspended"})).status == 403
        for path in ("accounts/alice/settings", "accounts/alice/limits", "accounts/new"):
            assert (await desk.post(path, {})).status == 403
        operator = await issue_token(desk.store, "operator", Role.OPERATOR, desk.now)
        await desk.sign_in(operator)
        done = await desk.post("accounts/alice/top-up", {"amount": "1", "reference": "r", "why": "gift"})
        assert (done.status, done.headers["location"]) == (303, "../../accounts/alice?app=app")
        assert (await desk.post("accounts/alice/limits", {"max_seconds": "5"})).status == 403

    visit(steps)


def test_hours_and_caller_ids_are_set_in_the_form_of_an_account(visit: Visit) -> None:
    """A field that was emptied takes it back; a word that cannot be read is told beside its field; a viewer sees them."""

    async def steps(desk: Desk) -> None:
        admin = await issue_token(desk.store, "admin", Role.ADMIN, desk.now)
        await desk.sign_in(admin)
        form = {"hours": "mo-fr 8:00-18:00", "timezone": "Europe/Stockholm", "caller_id": "refuse"}
        assert (await desk.post("accounts/alice/settings", form)).status == 303
        page = await desk.text("accounts/alice")
        assert "Mo-Fr 08:00-18:00" in page and "Europe/Stockholm" in page
        wrong = await desk.post("accounts/alice/settings", {"hours": "always"})
        assert wrong.status == 422 and "24/7, or days and times" in await wrong.text()
        assert (await desk.post("accounts/alice/settings", {"hours": ""})).status == 303
        opened = await desk.store.account(AccountKey("app", "alice"))
        assert opened is not None
        assert opened.account.permissions.shown() == {
            "hours": "default", "timezone": "Europe/Stockholm", "holidays": "default", "caller_id": "refuse",
            "caller_ids": "default",
        }  # fmt: skip
        await desk.sign_in()
        assert "Europe/Stockholm" in await desk.text("accounts/alice")

    visit(steps)


def test_a_token_that_is_bound_sees_one_application(visit: Visit) -> None:
    """No call, no account and no sum of another; what all of them share is closed to it."""

    async def steps(desk: Desk) -> None:
        await desk.place("c1")
        job = AddApplication(
            provider="sinch", key="other", secret="b3RoZXI=", name="", seal=VAULT.seal, now=desk.now
        )  # fmt: skip
        await desk.store.perform(job)
        await desk.store.perform(OpenAccount(application="other", account="olga", currency="EUR"))
        bound = await issue_token(desk.store, "bound", Role.ADMIN, desk.now, application="other")
        await desk.catalogs.refresh()
        await desk.sign_in(bound)
        for path in ("", "calls", "calls?app=app", "calls?number=46", "accounts", "applications", "audit"):
            page = await desk.text(path)
            assert ">alice<" not in page and SWEDEN not in page, path
        assert "olga" in await desk.text("accounts")
        for path, status in {
            "calls/c1?app=app": 404,
            "accounts/alice?app=app": 404,
            "applications/app": 404,
            "rules?app=app": 404,
            "rates": 403,
            "deliveries": 403,
            "health": 403,
        }.items():
            assert (path, (await desk.get(path)).status) == (path, status)
        assert (await desk.post("hang-up", {"call": "app/c1"})).status == 404
        assert (await desk.post("accounts/alice/top-up?app=app", {"amount": "1", "reference": "x"})).status == 404
        assert (await desk.post("applications", {"key": "third", "secret": "c2VjcmV0"})).status == 403
        async with await desk.get("live") as stream:
            assert json.loads(await event_with(stream, "live", "all")) == {"all": []}

    visit(steps)


def test_a_token_that_has_expired_is_signed_out(visit: Visit) -> None:
    """At once, also where it was good when it signed in."""

    async def steps(desk: Desk) -> None:
        soon = desk.now + timedelta(minutes=5)
        short = await issue_token(desk.store, "short", Role.VIEWER, desk.now, expires_at=soon)
        await desk.sign_in(short)
        assert "Calls up now" in await desk.text()
        desk.now = soon
        assert "Calls up now" not in await desk.text()
        assert (await desk.sign_in(short)).status == 401

    visit(steps)


def test_what_is_done_here_stands_in_the_audit_log(visit: Visit) -> None:
    """With who did it, and what it was before and is now."""

    async def steps(desk: Desk) -> None:
        await desk.sign_in(await issue_token(desk.store, "anna", Role.ADMIN, desk.now))
        await desk.post("accounts/alice/status?app=app", {"status": "suspended"})
        await desk.post("accounts/alice/top-up?app=app", {"amount": "2", "reference": "r"})
        listed = json.loads(await desk.text("audit.json?subject=alice&kind=account"))["items"]
        assert [(each["who"], each["via"], each["action"]) for each in listed] == [
            ("token:anna", "dashboard", "set_account_status")
        ]
        assert listed[0]["changed"] == {"status": ["active", "suspended"]}
        assert "set account status" in await desk.text("audit?who=token:anna")

    visit(steps)


def test_a_store_that_fails_has_a_page_of_its_own(visit: Visit) -> None:
    """And no trace on it."""

    async def steps(desk: Desk) -> None:
        async def unavailable(*_: object, **__: object) -> None:
            raise_unavailable()

        desk.store.live_calls = unavailable  # type: ignore[assignment,method-assign] - what a lost disk does to every look
        reply = await desk.get()
        assert reply.status == 503
        assert "The database does not answer." in await reply.text()

    visit(steps, is_open=True)


def raise_unavailable() -> None:
    from callgate.errors import StorageUnavailable  # noqa: PLC0415

    raise StorageUnavailable("gone")
