"""The walk of docs/tutorial/first-walk.md, as a newcomer takes it: with the dashboard and the emulated phone alone.

It takes the pictures of that page. They are kept where `CALLGATE_PICTURES` names a folder (docs/images).
"""

import os
import re
from pathlib import Path

from playwright.sync_api import Browser, Page, expect
from site_visit import PATIENCE_MS, Site, Visitor, card, visiting

MOBILE = "+46701740605"
PREMIUM = "+469001234567"
PAGE = Path(__file__).parents[2] / "docs/tutorial/first-walk.md"
SIZE = {"width": 1280, "height": 800}


class Album:
    """Takes the pictures that the page shows, and no others."""

    def __init__(self, page: Page, folder: Path) -> None:
        self.page = page
        self.folder = folder
        self.taken: list[str] = []

    def take(self, name: str) -> None:
        self.page.evaluate("window.scrollTo(0, 0)")
        self.page.screenshot(path=self.folder / f"{name}.png", animations="disabled")
        self.taken.append(f"../images/{name}.png")


def phone(page: Page, site: Site, *, caller: str, to: str) -> None:
    """Place a call with the emulated phone, by the link that the dashboard has, and come back when it is over."""
    with site.platform_open(pace=0.002):
        page.get_by_role("navigation", name="Dashboard").get_by_role("link", name="First start").click()
        page.get_by_role("link", name="Open the emulated phone").click()
        page.get_by_label("From", exact=True).fill(caller)
        page.get_by_label("To", exact=True).fill(to)
        page.get_by_role("button", name="Call", exact=True).click()
        expect(page.get_by_text(re.compile("TIMEOUT|MANAGERHANGUP")).first).to_be_visible(timeout=PATIENCE_MS)
    page.goto(site.url)


def test_the_walk(browser: Browser, site: Site, tmp_path: Path) -> None:
    """I refused a number, topped up an account, saw a call end for lack of credit, and read why."""
    with visiting(browser, site) as visitor:
        album = Album(visitor.page, Path(os.environ.get("CALLGATE_PICTURES", tmp_path)))
        visitor.page.set_viewport_size(SIZE)
        walk(visitor, site, album)
        assert album.taken == re.findall(r"\((\.\./images/walk-[a-z-]+\.png)\)", PAGE.read_text(encoding="utf-8"))
        assert visitor.complaints == []


def walk(visitor: Visitor, site: Site, album: Album) -> None:
    page = visitor.page
    page.get_by_role("navigation", name="Dashboard").get_by_role("link", name="First start").click()
    expect(page.locator(".steps")).to_contain_text("First call")
    visitor.is_usable()
    album.take("walk-start")

    page.get_by_role("link", name="Rates", exact=True).click()
    form = card(page, "Import a deck")
    form.get_by_label("or rows").fill(
        "prefix,destination,rate_per_min,connect_fee,first_s,next_s,effective_from\n46900,Sweden premium rate,,,,,"
    )
    form.get_by_label("These rows").select_option("merge")
    form.get_by_role("button", name="Show what would change").click()
    expect(page.locator(".counters")).to_contain_text("Added1")
    album.take("walk-rates")
    page.get_by_role("button", name="Put in force").click()
    phone(page, site, caller="user:alice", to=PREMIUM)
    refused = page.locator("#recent tr").first
    expect(refused).to_contain_text("refused: no rate", timeout=PATIENCE_MS)
    refused.get_by_role("link").click()
    expect(page.locator(".trace")).to_contain_text("refused: no rate")
    album.take("walk-refused")

    page.get_by_role("link", name="Accounts", exact=True).click()
    page.get_by_role("link", name="New account").click()
    page.get_by_label("Account id").fill("zoe")
    page.get_by_role("button", name="Open account").click()
    top_up = card(page, "Top up")
    top_up.get_by_label("Amount").fill("0.14")
    top_up.get_by_label("Reason").fill("first payment")
    top_up.get_by_role("button").click()
    expect(page.locator(".said")).to_contain_text("0.14 USD is available now")
    album.take("walk-account")

    phone(page, site, caller="user:zoe", to=MOBILE)
    ended = page.locator("#recent tr", has_text="zoe").first
    expect(ended).to_contain_text("180 / 180 s", timeout=PATIENCE_MS)
    album.take("walk-live")
    ended.get_by_role("link").click()
    expect(page.locator(".facts")).to_contain_text("timeout")
    expect(page.locator(".trace")).to_contain_text("180 s")
    album.take("walk-call")
    page.get_by_role("link", name="zoe", exact=True).click()
    expect(page.locator(".counters")).to_contain_text("0.08")
