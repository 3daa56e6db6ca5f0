"""A tab of a real browser, signed in; what its console says and whom it asks are noted."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.chromium import BROWSER, QUIET

SERIOUS = {"serious", "critical"}
_PATIENCE_MS = 30_000
expect.set_options(timeout=_PATIENCE_MS)


@dataclass
class Tab:
    """A page of the gateway at `url`."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings of its console: breaches of the page's policy are among them."""
    asked: list[str] = field(default_factory=list)
    """Hosts of all its requests."""

    def go(self, path: str) -> None:
        self.page.goto(self.url + path)

    def check_quiet(self) -> None:
        """Nothing was complained of, and nobody but the gateway was asked."""
        assert self.complaints == []
        assert set(self.asked) <= {urlsplit(self.url).netloc, ""}


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=QUIET)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def tab(browser: Browser, url: str, key: str, **options: object) -> Iterator[Tab]:
    """A new window of its own, signed in with `key`; `options` as Playwright's new_context."""
    context = browser.new_context(accept_downloads=True, **options)  # type: ignore[arg-type]
    try:
        opened = Tab(context.new_page(), url.rstrip("/"))
        opened.page.set_default_timeout(_PATIENCE_MS)
        opened.page.on(
            "console",
            lambda told: (
                opened.complaints.append(f"{told.type}: {told.text}")
                if told.type in ("error", "warning")
                else None
            ),
        )
        opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        opened.page.on("request", lambda request: opened.asked.append(urlsplit(request.url).netloc))
        opened.go("/")
        opened.page.fill("#key", key)
        opened.page.get_by_role("button", name="Sign in").click()
        opened.page.wait_for_url(f"{opened.url}/")
        yield opened
    finally:
        context.close()


def faults_for_screen_readers(page: Page) -> list[str]:
    """What axe-core finds serious or worse on the page as it stands."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]} ({node['failureSummary'][:200]})"
        for rule in found
        if rule["impact"] in SERIOUS
        for node in rule["nodes"]
    ]
