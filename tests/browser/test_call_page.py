"""The page of a call in a real browser: how it was proven, how it would be judged today, and a link that can be shared."""

import pytest
from playwright.sync_api import Page, expect
from site_visit import Site, Visitor, card

RULE = """[[rule]]
name = "no-sweden"
condition = 'country == "SE"'
effect = "refuse"
mode = "binding"
"""


@pytest.fixture
def page(visitor: Visitor, site: Site) -> Page:
    """On the page of the newest call."""
    if visitor.page.url == site.url:
        site.place("user:alice").result(timeout=10)
        visitor.page.goto(f"{site.url}calls")
        visitor.page.locator("tbody tr a").first.click()
    return visitor.page


def test_the_string_to_sign_of_a_callback_is_shown(page: Page, visitor: Visitor) -> None:
    """Its five lines with what they are; opened by keyboard, and no secret among them."""
    said = card(page, "What was said, and done times in GMT+5:30").locator("details")
    expect(said).to_have_count(3)
    said.first.locator("summary").focus()
    page.keyboard.press("Enter")
    lines = said.first.locator(".lines > div")
    expect(lines).to_have_count(5)
    expect(lines.first).to_have_text("verbPOST")
    expect(lines.nth(3)).to_contain_text("x-timestamp:20")
    expect(lines.last).to_have_text("path/callbacks/sinch")
    visitor.is_usable()
    page.keyboard.press("Enter")


def test_a_call_is_replayed_against_todays_rules(page: Page, visitor: Visitor, site: Site) -> None:
    """The same verdict until a rule is in force; then the step that differs is named. No money moves."""
    shown = page.url
    page.get_by_role("link", name="Replay against today's rules").click()
    replay = page.locator("#replay")
    expect(replay).to_contain_text("no money moved")
    expect(replay.locator(".verdicts")).to_contain_text("The same verdict")
    expect(replay.locator("tr.differs")).to_have_count(0)
    page.goto(f"{site.url}rules")
    page.get_by_label("Rules in TOML").fill(RULE)
    page.get_by_role("button", name="Put in force").click()
    expect(page.get_by_role("status")).to_contain_text("Binding from now on: no-sweden")
    page.goto(shown)
    page.get_by_role("link", name="Replay against today's rules").click()
    expect(replay.locator(".verdicts > div").nth(1)).to_contain_text("Rule: no-sweden.")
    expect(replay.locator(".verdicts > div").nth(2)).to_contain_text("Differs at rules")
    expect(replay.locator("tr.differs")).to_have_count(1)
    expect(replay.locator("tr.differs")).to_contain_text("no-sweden (refuse)")
    visitor.is_usable()
    page.get_by_role("link", name="Again").click()
    expect(replay.locator("tr.differs")).to_have_count(1)
    page.get_by_role("link", name="Close").click()
    expect(replay).to_have_count(0)
    assert page.url == shown


def test_the_link_of_a_call_is_copied(page: Page) -> None:
    """Whoever is given it comes to the same page."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.url


def test_the_page_is_usable_in_the_dark_and_on_a_phone(page: Page, visitor: Visitor) -> None:
    """Nothing scrolls sideways, and letters stand out from their ground."""
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{page.url}&replay=now")
    page.locator("details summary").first.click()
    visitor.is_usable()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
