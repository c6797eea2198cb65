"""Endpoints in a real browser: added, changed, paused, tried out, given a new secret, removed."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import NamedTuple

import pytest
from playwright.sync_api import Page, expect
from site_visit import Site, Visitor, card


class Hook(NamedTuple):
    """A receiver that takes everything, and what it was sent: webhook ids with bodies."""

    url: str
    heard: list[tuple[str, bytes]]


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    heard: list[tuple[str, bytes]] = []

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            heard.append((self.headers["webhook-id"], body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = HTTPServer(("127.0.0.1", 0), Taker)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Hook(f"http://127.0.0.1:{server.server_address[1]}/hook", heard)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def page(visitor: Visitor, site: Site) -> Page:
    visitor.page.goto(f"{site.url}deliveries")
    return visitor.page


def test_an_endpoint_is_added_and_its_secret_shown_once(page: Page, visitor: Visitor, hook: Hook) -> None:
    """What will not do is marked with what would, and all that was typed stays; a repeat of the form adds no second one."""
    page.get_by_role("link", name="Add endpoint").click()
    visitor.is_usable()
    where, add = page.get_by_label("Where"), page.get_by_role("button", name="Add endpoint")
    where.fill("crm.example.com")
    page.get_by_label("call.ended").check()
    page.get_by_label("Only of accounts").fill("alice")
    add.click()
    expect(page.get_by_role("alert")).to_contain_text("an http or https URL such as https://crm.example.com/hook")
    expect(where).to_be_focused()
    expect(where).to_have_value("crm.example.com")
    expect(page.get_by_label("call.ended")).to_be_checked()
    expect(page.get_by_label("Only of accounts")).to_have_value("alice")
    visitor.is_usable()
    where.fill(hook.url)
    add.click()
    expect(page.get_by_role("alert")).to_contain_text("not a public address")
    page.get_by_label("It may have an address of my own network").check()
    page.get_by_label("Deliveries a second").fill("many")
    add.click()
    expect(page.get_by_role("alert")).to_contain_text("deliveries a second, from 1 to")
    page.get_by_label("Deliveries a second").fill("50")
    add.click()
    secret = page.locator("#secret")
    expect(secret).to_contain_text("whsec_")
    visitor.is_usable()
    page.get_by_role("link", name="I have it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(hook.url)
    expect(page.get_by_label("call.ended")).to_be_checked()
    expect(page.get_by_label("call.refused")).not_to_be_checked()
    expect(page.get_by_label("Deliveries a second")).to_have_value("50")
    expect(page.locator("main")).not_to_contain_text("whsec_")
    visitor.is_usable()
    page.get_by_role("link", name="Deliveries", exact=True).first.click()
    expect(card(page, "Endpoints").locator("tbody tr")).to_have_count(1)


def test_a_test_event_is_sent_and_what_came_of_it_said(page: Page, hook: Hook) -> None:
    """It arrives; where nobody listens, it says so."""
    page.get_by_role("link", name=hook.url).click()
    before = len(hook.heard)
    page.get_by_role("button", name="Send test event").click()
    expect(page.get_by_role("status")).to_have_text("It works: it took the test event.")
    assert b'"endpoint.test"' in hook.heard[before][1]
    page.get_by_label("URL", exact=True).fill("http://127.0.0.1:9/gone")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Send test event").click()
    expect(page.get_by_role("status")).to_contain_text("It does not work: no connection")
    page.get_by_label("URL", exact=True).fill(hook.url)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("What happens from now on is sent so.")


def test_what_is_sent_is_changed_or_the_field_is_marked(page: Page, visitor: Visitor, site: Site, hook: Hook) -> None:
    """From the next record on it is sent that: a refusal, and of every account."""
    page.get_by_role("link", name=hook.url).click()
    page.get_by_label("URL", exact=True).fill("ftp://crm.example.com")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("scheme 'ftp'")
    expect(page.get_by_label("URL", exact=True)).to_have_value("ftp://crm.example.com")
    visitor.is_usable()
    page.get_by_label("URL", exact=True).fill(hook.url)
    page.get_by_label("call.ended").uncheck()
    page.get_by_label("call.refused").check()
    page.get_by_label("Only of accounts").fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("What happens from now on is sent so.")
    site.place("user:dave").result(timeout=10)  # who has no money
    page.reload()
    sent = card(page, "Newest deliveries").locator("tbody tr")
    expect(sent).to_have_count(1)
    expect(sent).to_contain_text("call.refused")
    page.get_by_role("link", name="All its deliveries").click()
    expect(page.get_by_label("Endpoint", exact=True)).not_to_have_value("")
    expect(page.locator("section.card", has=page.get_by_label("State")).locator("tbody tr")).to_have_count(1)
    visitor.is_usable()


def test_an_endpoint_is_paused_and_resumed(page: Page, hook: Hook) -> None:
    """On its own page, as on the list."""
    page.get_by_role("link", name=hook.url).click()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status")).to_contain_text("is sent nothing more")
    expect(page.locator(".head")).to_contain_text("paused")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("status")).to_contain_text("is sent records again")


def test_its_secret_is_rotated(page: Page, hook: Hook) -> None:
    """The new one is shown once, and until when the old one is good."""
    page.get_by_role("link", name=hook.url).click()
    page.get_by_label("Sign with the old one too for").select_option("168")
    page.get_by_role("button", name="Make a new secret").click()
    expect(page.locator("#secret")).to_contain_text("whsec_")
    expect(page.locator("main")).to_contain_text("signed with the old one too")
    page.get_by_role("link", name="I have it").click()
    expect(card(page, "Endpoint")).to_contain_text("Old secret too until")


def test_e_mail_and_crms_have_endpoints_too(page: Page) -> None:
    """Addresses are read as people write them; a CRM without its token is told so, and the token is never shown."""
    page.get_by_role("link", name="Add endpoint").click()
    page.get_by_label("Kind").select_option("email")
    page.get_by_label("Where").fill("ops@example.com, night@example.com")
    page.get_by_role("button", name="Add endpoint").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("mailto:ops@example.com,night@example.com")
    expect(page.get_by_role("button", name="Make a new secret")).to_have_count(0)
    page.get_by_role("link", name="Deliveries", exact=True).first.click()
    page.get_by_role("link", name="Add endpoint").click()
    page.get_by_label("Kind").select_option("hubspot")
    page.get_by_role("button", name="Add endpoint").click()
    expect(page.get_by_role("alert")).to_contain_text("a token, or JSON with the parts of the credentials")
    page.get_by_label("CRM: token").fill("pat-secret")
    page.get_by_role("button", name="Add endpoint").click()
    expect(page.get_by_role("status")).to_contain_text("It is added.")
    expect(page.locator("main")).not_to_contain_text("pat-secret")
    card(page, "New credentials").get_by_label("Token").fill("pat-other")
    page.get_by_role("button", name="Use these").click()
    expect(page.get_by_role("status")).to_have_text("It goes by the new credentials from now on.")


def test_an_endpoint_is_removed_by_its_id(page: Page, visitor: Visitor, hook: Hook) -> None:
    """Another word removes nothing."""
    page.get_by_role("link", name=hook.url).click()
    named = card(page, "Endpoint").locator("code").first.inner_text()
    confirm = page.get_by_label("Its id, once more")
    confirm.fill("yes")
    page.get_by_role("button", name="Remove endpoint").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was removed.")
    expect(confirm).to_have_value("yes")
    visitor.is_usable()
    confirm.fill(named)
    page.get_by_role("button", name="Remove endpoint").click()
    expect(page.get_by_role("status")).to_contain_text("is gone")
    expect(page.get_by_role("link", name=hook.url)).to_have_count(0)


def test_the_pages_are_usable_in_the_dark_and_on_a_phone(page: Page, visitor: Visitor, site: Site) -> None:
    """Nothing scrolls sideways, and letters stand out from their ground."""
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 360, "height": 740})
    one = card(page, "Endpoints").locator("tbody a").first.get_attribute("href")
    assert one is not None
    for path in ("deliveries", "endpoints/new", one.removeprefix("./")):
        page.goto(site.url + path)
        visitor.is_usable()
        assert page.evaluate("document.documentElement.scrollWidth") == 360, path
