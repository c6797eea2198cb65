"""The dashboard in a real browser: a call appears while one looks, by keyboard alone, and without a word to other hosts."""

import asyncio
import contextlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from site_visit import PATIENCE_MS, Site, Visitor, running, visiting

from callgate.passwords import hash_password
from callgate.service.operator import AddOperator
from callgate.service.token import Role

SHOWN = "+46 70 174 06 05"
"""How a page writes the number that calls here go to."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running(tmp_path) as site:
        yield site


@pytest.fixture
def visitor(browser: Browser, site: Site) -> Iterator[Visitor]:
    with visiting(browser, site) as visitor:
        yield visitor


def rows(page: Page, table: str) -> Any:
    return page.locator(f"#{table} tr:not(.none)")


def test_calls_come_and_go_without_a_reload(visitor: Visitor, site: Site) -> None:
    """Up while they last, then recent, each with what it cost; and nothing is fetched from elsewhere."""
    page = visitor.page
    page.evaluate("window.isTheSamePage = true")
    expect(page.locator("#pulse")).to_have_text("live", timeout=PATIENCE_MS)
    talking = site.place("user:alice", talk_s=3, pace=1.0)
    expect(rows(page, "live")).to_have_count(1, timeout=PATIENCE_MS)
    expect(rows(page, "live")).to_contain_text(SHOWN)
    expect(rows(page, "live")).to_contain_text("talking", timeout=PATIENCE_MS)
    expect(rows(page, "live").locator("b")).to_have_text(re.compile("59[0-9]"), timeout=PATIENCE_MS)
    expect(rows(page, "recent")).to_have_count(1, timeout=PATIENCE_MS)
    expect(rows(page, "live")).to_have_count(0, timeout=PATIENCE_MS)
    expect(rows(page, "recent")).to_contain_text("connected")
    expect(rows(page, "recent")).to_contain_text("3 / 60 s")
    expect(rows(page, "recent")).to_contain_text("0.02 USD")
    talking.result(timeout=10)
    site.place("user:frank").result(timeout=10)
    expect(rows(page, "recent")).to_have_count(2, timeout=PATIENCE_MS)
    expect(rows(page, "recent").first).to_contain_text("refused: caller unknown")
    assert page.evaluate("window.isTheSamePage") is True
    assert visitor.hosts == {"127.0.0.1"}
    assert visitor.complaints == []


def test_times_are_the_viewers_own(visitor: Visitor, site: Site) -> None:
    """With UTC to be had by pointing at them."""
    site.place("user:alice").result(timeout=10)
    shown = rows(visitor.page, "recent").locator("time")
    expect(shown).to_have_count(1, timeout=PATIENCE_MS)
    utc = re.search(r"(\d\d):(\d\d):(\d\d) UTC", shown.get_attribute("title") or "")
    assert utc is not None
    hour, minute, second = (int(part) for part in utc.groups())
    minutes = (hour * 60 + minute + 330) % 1_440  # India is five and a half hours ahead
    expect(shown).to_contain_text(f"{minutes // 60:02}:{minutes % 60:02}:{second:02}")


def test_a_call_is_reached_and_left_by_keyboard(visitor: Visitor, site: Site) -> None:
    """Focus follows a call that ends from one table to the other; Enter opens it, and its page says why and what."""
    page = visitor.page
    talking = site.place("user:alice", talk_s=3, pace=1.0)
    link = rows(page, "live").get_by_role("link")
    expect(link).to_have_count(1, timeout=PATIENCE_MS)
    page.get_by_role("button", name="Pause").focus()
    page.keyboard.press("Tab")
    expect(link).to_be_focused()
    expect(rows(page, "recent").get_by_role("link")).to_be_focused(timeout=PATIENCE_MS)
    talking.result(timeout=10)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="How it was decided")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator(".ladder .name")).to_have_text(["ice", "ace", "dice"])
    expect(page.locator(".ladder")).to_contain_text("connectPstn")
    assert visitor.complaints == []


def test_a_paused_page_stands_still_until_it_may_go_on(visitor: Visitor, site: Site) -> None:
    """What happened meanwhile is then there at once."""
    page = visitor.page
    expect(page.locator("#pulse")).to_have_text("live", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Pause").press("Enter")
    expect(page.locator("#pulse")).to_have_text("paused")
    site.place("user:frank").result(timeout=10)
    page.wait_for_timeout(1_500)  # twice what a page that is not paused would take
    expect(rows(page, "recent")).to_have_count(0)
    page.get_by_role("button", name="Pause").press("Enter")
    expect(rows(page, "recent")).to_have_count(1, timeout=PATIENCE_MS)


def test_a_name_that_is_markup_is_only_a_name(visitor: Visitor, site: Site) -> None:
    """Also when it comes by the stream."""
    site.place("user:<img/src=x/onerror=document.title='taken'>").result(timeout=10)
    expect(rows(visitor.page, "recent")).to_contain_text("<img/src=x", timeout=PATIENCE_MS)
    expect(visitor.page).to_have_title("Live - Callgate")
    assert visitor.complaints == []


def test_a_wrong_token_is_said_to_be_wrong(browser: Browser, site: Site) -> None:
    """In the words of the page, with the field ready for another."""
    with contextlib.closing(browser.new_context()) as context:
        page = context.new_page()
        page.goto(site.url)
        page.get_by_label("API token").fill("cg_wrong")
        page.get_by_role("button", name="Sign in").first.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("not a token of this server", timeout=PATIENCE_MS)
        expect(page.get_by_label("API token")).to_be_focused()


def test_an_operator_signs_in_by_name_and_password_and_out(browser: Browser, site: Site) -> None:
    """What is wrong is marked and the name stays; the button signs out."""
    kept = hash_password("correct horse battery")
    operator = AddOperator(name="eva", role=Role.VIEWER, password_hash=kept, now=datetime.now(UTC))
    asyncio.run_coroutine_threadsafe(site.store.perform(operator), site.loop).result(timeout=10)
    with contextlib.closing(browser.new_context()) as context:
        visitor = Visitor(context.new_page())
        page = visitor.page
        page.goto(site.url)
        form = page.locator("form", has=page.get_by_role("heading", name="With name and password"))
        form.get_by_label("Name").fill("eva")
        form.get_by_label("Password").fill("wrong")
        form.get_by_role("button").click()
        expect(page.get_by_role("alert")).to_contain_text("Name, password or code are not right", timeout=PATIENCE_MS)
        expect(form.get_by_label("Name")).to_have_value("eva")
        expect(form.get_by_label("Password")).to_have_attribute("aria-invalid", "true")
        visitor.is_usable()
        form.get_by_label("Password").fill("correct horse battery")
        form.get_by_role("button").click()
        expect(page.locator(".signed-in")).to_contain_text("eva viewer", timeout=PATIENCE_MS)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("API token")).to_be_visible(timeout=PATIENCE_MS)


def test_no_width_scrolls_sideways(visitor: Visitor, site: Site) -> None:
    """From a small phone to a wide screen; nor is a number cut off that there is room for."""
    page = visitor.page
    site.place("user:alice").result(timeout=10)
    expect(rows(page, "recent")).to_have_count(1, timeout=PATIENCE_MS)
    for width in (360, 390, 768, 1_000, 1_440):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        is_whole = "[...document.querySelectorAll('a.sides')].every(link => link.scrollWidth <= link.clientWidth)"
        assert page.evaluate(is_whole), f"cut off at a width of {width}"


def test_the_page_is_limited_to_part_of_a_number(visitor: Visitor, site: Site) -> None:
    """As it is typed, in both tables, and in the URL; what comes meanwhile keeps to it; without it all are there again."""
    page = visitor.page
    for caller in ("user:alice", "user:frank"):
        site.place(caller).result(timeout=10)
    expect(rows(page, "recent")).to_have_count(2, timeout=PATIENCE_MS)
    field = page.get_by_label("Part of a number, a name or an account")
    field.fill("fran")
    expect(rows(page, "recent")).to_have_count(1)
    assert page.url.endswith("?number=fran")
    talking = site.place("user:alice", talk_s=60, pace=1.0)
    expect(page.locator("#counters")).to_contain_text("Calls up now1", timeout=PATIENCE_MS)
    expect(rows(page, "live")).to_have_count(0)
    expect(page.get_by_text("No call that is up is like that.")).to_be_visible()
    visitor.is_usable()
    page.reload()
    expect(field).to_have_value("fran")
    expect(rows(page, "recent")).to_have_count(1)
    field.fill("174-06 05")
    expect(rows(page, "live")).to_have_count(1, timeout=PATIENCE_MS)
    listed = page.request.get(f"{site.url}live.json?number=174+06+05").json()["items"]
    assert [call["caller"] for call in listed] == ["alice"]
    field.fill("")
    expect(rows(page, "recent")).to_have_count(2)
    assert "?" not in page.url
    rows(page, "live").get_by_role("button").click()
    talking.result(timeout=10)


def test_a_call_is_ended_with_its_button(visitor: Visitor, site: Site) -> None:
    """The platform is asked, hangs up, and the call moves to those that are over; no row moves under the pointer."""
    page = visitor.page
    expect(page.locator("#pulse")).to_have_text("live", timeout=PATIENCE_MS)
    talking = site.place("user:alice", talk_s=60, pace=1.0)
    expect(rows(page, "live")).to_contain_text("talking", timeout=PATIENCE_MS)
    visitor.is_usable()
    rows(page, "live").get_by_role("button", name=re.compile("^End the call from alice")).click()
    expect(page.locator(".said")).to_contain_text("The platform was asked to end the call")
    talking.result(timeout=10)
    expect(rows(page, "recent")).to_contain_text("connected", timeout=PATIENCE_MS)
    expect(rows(page, "live")).to_have_count(0, timeout=PATIENCE_MS)
    assert visitor.complaints == []


def test_the_page_of_a_call_ends_it_too(visitor: Visitor, site: Site) -> None:
    """And shows then what was settled, from which ledger account to which."""
    page = visitor.page
    talking = site.place("user:alice", talk_s=60, pace=1.0)
    expect(rows(page, "live")).to_contain_text("talking", timeout=PATIENCE_MS)
    rows(page, "live").get_by_role("link").click()
    page.get_by_role("button", name="End call").click()
    expect(page.locator(".said")).to_contain_text("The platform was asked to end the call")
    talking.result(timeout=10)
    page.reload()
    expect(page.locator(".ladder")).to_contain_text("settled: 0.02 USD")
    expect(page.locator("section", has=page.get_by_role("heading", name="Ledger"))).to_contain_text("revenue:USD")
    page.locator(".ladder summary").first.click()
    expect(page.locator(".ladder figure").first).to_contain_text('"event": "ice"')
    visitor.is_usable()
    expect(page.get_by_role("button", name="End call")).to_have_count(0)


def test_calls_are_searched_by_part_of_a_number(visitor: Visitor, site: Site) -> None:
    """The filters stand in the URL, so that what was found can be shared."""
    page = visitor.page
    for caller in ("user:alice", "user:frank"):
        site.place(caller).result(timeout=10)
    page.get_by_role("link", name="Calls", exact=True).click()
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_label("Part of a number or name").fill("174 06 05")
    page.get_by_label("Outcome").select_option("caller_unknown")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("frank")
    assert "number=174+06+05" in page.url and "outcome=caller_unknown" in page.url
    visitor.is_usable()
    page.get_by_label("Since").fill("noon")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("alert")).to_contain_text("'noon' will not do")
    expect(page.get_by_label("Part of a number or name")).to_have_value("174 06 05")
    page.get_by_role("link", name="All calls").click()
    expect(page.locator("tbody tr")).to_have_count(2)
