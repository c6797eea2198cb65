"""Signing in at an OpenID Connect provider in a real browser: to another site and back, with cookies as browsers send them."""

import contextlib
from pathlib import Path

from openid_provider import CLIENT, openid_provider
from playwright.sync_api import Browser, expect
from site_visit import PATIENCE_MS, Visitor, free_port, running


def test_the_button_leads_to_the_provider_and_back(browser: Browser, tmp_path: Path) -> None:
    """By keyboard; the provider is another site, so that strict cookies are at stake; and a button signs out again, at the
    provider too.
    """
    port = free_port()
    back = f"http://127.0.0.1:{port}/sign-in/openid/callback"
    with openid_provider(back, signed_out_uri=f"http://127.0.0.1:{port}/") as provider:
        provider.person = {"email": "eva@example.com", "groups": ["desk"]}
        settings = {
            "dashboard_url": f"http://127.0.0.1:{port}",
            "dashboard_oidc_issuer": provider.url,
            "dashboard_oidc_client_id": CLIENT,
            "dashboard_oidc_client_secret": provider.secret,
            "dashboard_oidc_roles": "desk=operator",
        }
        with running(tmp_path, port, **settings) as site, contextlib.closing(browser.new_context()) as context:
            visitor = Visitor(context.new_page())
            page = visitor.page
            page.goto(site.url)
            visitor.is_usable()
            page.get_by_role("link", name="Sign in at localhost").focus()
            page.keyboard.press("Enter")
            expect(page).to_have_title("Provider", timeout=PATIENCE_MS)
            page.get_by_role("link", name="Continue as Eva").click()
            expect(page.get_by_role("heading", name="Up now")).to_be_visible(timeout=PATIENCE_MS)
            assert page.url == site.url
            expect(page.locator(".signed-in")).to_contain_text("eva@example.com operator")
            assert len(provider.sessions) == 1
            page.get_by_role("button", name="Sign out").click()
            expect(page.get_by_role("link", name="Sign in at localhost")).to_be_visible(timeout=PATIENCE_MS)
            assert page.url == site.url
            assert not provider.sessions
            provider.person["groups"] = []
            page.get_by_role("link", name="Sign in at localhost").click()
            page.get_by_role("link", name="Continue as Eva").click()
            expect(page.get_by_role("alert")).to_contain_text("nothing gives you a role here")
            visitor.is_usable()
            assert visitor.hosts == {"127.0.0.1", "localhost"}
            assert [words for words in visitor.complaints if "status of 403" not in words] == []
