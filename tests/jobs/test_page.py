"""The page's whole way on a real gateway with a real Ray: from OSDR's own file to predictions."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import anndata
import pytest
from playwright.sync_api import Page, expect

from tests.chromium import needs_chromium
from tests.jobs.conftest import Tables
from tests.service.pages.browser import Tab, chromium, faults_for_screen_readers, tab

pytestmark = [needs_chromium, pytest.mark.ray, pytest.mark.timeout(600)]
_JOB_MS = 240_000


@pytest.fixture(scope="module")
def anna(server: subprocess.Popen[str], environment: dict[str, str]) -> Iterator[Tab]:
    """Whoever started the gateway: its key lies in the home."""
    known = tomllib.loads((Path(environment["HOME"]) / ".config/rnalearner/client.toml").read_text())
    with chromium() as browser, tab(browser, known["server"], known["key"]) as opened:
        yield opened
        opened.check_quiet()


def give(page: Page, table: Path, sheet: Path | None = None) -> None:
    """Choose files on the first page, and wait until the table was read."""
    page.set_input_files("#file", table)
    if sheet is not None:
        page.set_input_files("#labels", sheet)
    page.get_by_role("button", name="Read it").click()
    expect(page.get_by_role("heading", name="A first look")).to_be_visible(timeout=60_000)


def ended_well(page: Page) -> None:
    page.wait_for_url(re.compile("/jobs/job-"))
    expect(page.locator(".line .status")).to_have_text("succeeded", timeout=_JOB_MS)


def downloaded(page: Page, link: str) -> Path:
    with page.expect_download() as download:
        page.get_by_role("link", name=link).click()
    return Path(download.value.path())


def test_from_a_table_to_a_report_and_predictions_for_other_mice(anna: Tab, tables: Tables, tmp_path: Path):
    page = anna.page
    give(page, tables.labelled, tables.sheet)
    page.get_by_label("A word of your own").fill("flight")
    page.get_by_role("button", name="Start").click()
    ended_well(page)
    expect(page.get_by_text("held out in turn").first).to_be_visible()
    for heading in ("What it says", "Sample by sample", "The genes it rests on", "Pictures"):
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    expect(page.get_by_role("heading", name=re.compile("^ROC"))).to_be_visible()
    for picture in page.locator("figure img").all():
        picture.scroll_into_view_if_needed()
        expect(picture).to_have_js_property("complete", True)
        assert picture.evaluate("picture => picture.naturalWidth") > 0
    assert faults_for_screen_readers(page) == []
    learned = page.url
    report = downloaded(page, "The report, one file").read_text()
    assert report.startswith("<!doctype html>")
    assert "http://" not in re.sub(r'xmlns[:\w]*="[^"]*"', "", report)
    h5ad = tmp_path / "report.h5ad"
    h5ad.write_bytes(downloaded(page, "h5ad for scanpy").read_bytes())
    told = anndata.read_h5ad(h5ad).obs
    rows = page.get_by_role("region", name="Predictions").locator("tbody tr")
    assert rows.count() == len(told)

    anna.go("/")
    give(page, tables.new)
    page.get_by_role("button", name="Predict these samples").click()
    ended_well(page)
    expect(page.get_by_role("heading", name="Sample by sample")).to_be_visible()
    predicted = page.get_by_role("region", name="Predictions").locator("tbody tr").count()
    assert predicted > 1
    assert downloaded(page, "Predictions as CSV").read_text().count("\n") == predicted + 1

    anna.go(f"/compare?job={learned.rpartition('/')[2]}&job={page.url.rpartition('/')[2]}")
    expect(page.get_by_role("heading", name="2 jobs side by side")).to_be_visible()
    anna.go("/cluster")
    expect(page.get_by_role("region", name="Machines").locator("tbody tr")).to_have_count(1)


def test_samples_are_explored_in_pictures(anna: Tab, simulated: Tables):
    page = anna.page
    anna.go("/")
    give(page, simulated.labelled, simulated.sheet)
    page.get_by_role("button", name="Explore").click()
    ended_well(page)
    assert page.locator("figure img").count() >= 2


def test_a_search_shows_its_trials_as_parallel_coordinates(anna: Tab, simulated: Tables):
    page = anna.page
    anna.go("/")
    give(page, simulated.labelled, simulated.sheet)
    page.get_by_label("Search the encoder's settings").check()
    page.get_by_label("Trials").fill("3")
    page.get_by_label("Epochs of a trial, at most").fill("4")
    page.get_by_role("button", name="Start").click()
    ended_well(page)
    expect(page.get_by_role("heading", name="Trials")).to_be_visible()
    expect(page.locator("#trials canvas").first).to_be_visible()
