"""Every seeded mistake, dropped onto the page: it stands there with its cause, its place and its remedy."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from service.settings import Settings
from tests.chromium import needs_chromium
from tests.mistakes.toy import GENE_TABLE, Mistake
from tests.service.fake_cluster import FakeCluster
from tests.service.harness import running
from tests.service.mistakes import mistakes
from tests.service.pages.browser import chromium, tab

pytestmark = needs_chromium
_QUICK = 6


def chosen(with_genes: bool, every: int) -> list[Mistake]:
    return [mistake for mistake in mistakes() if mistake.with_genes == with_genes][::every]


def shown(page: Page, mistake: Mistake) -> bool:
    """Whether the page says what the mistake is: in a fault's three parts, or in a note."""
    if not mistake.remedy:
        notes = page.locator(".notes li").all_inner_texts()
        return any(re.search(mistake.place, note) and re.search(mistake.cause, note) for note in notes)
    for fault in page.locator(".fault").all():
        where, what, remedy = (fault.locator(f".{part}").inner_text() for part in ("where", "what", "remedy"))
        if (
            re.search(mistake.place, f"{where}: {what}")
            and re.search(mistake.cause, what)
            and re.search(mistake.remedy, remedy)
        ):
            return True
    return False


def missed(folder: Path, with_genes: bool, every: int) -> list[str]:
    """Names of the mistakes that are not shown."""
    folder.mkdir()
    genes = folder / "genes.csv"
    genes.write_text(GENE_TABLE)
    settings = Settings(data=folder / "data", min_free_mb=0, genes=genes if with_genes else None)
    found = []
    with (
        running(settings, FakeCluster(folder / "cluster")) as gateway,
        chromium() as browser,
        tab(browser, str(gateway.http.base_url), gateway.lab.key) as opened,
    ):
        page = opened.page
        for mistake in chosen(with_genes, every):
            opened.go("/")
            for field, name, body in (
                ("file", "table.csv", mistake.table),
                ("labels", "labels.csv", mistake.sheet),
            ):
                if body is not None:
                    page.set_input_files(f"#{field}", {"name": name, "mimeType": "text/csv", "buffer": body})
            page.get_by_role("button", name="Read it").click()
            told = page.locator("#dataset h2, .answer .fault").first
            expect(told).to_be_visible()
            # Bytes that are known keep their sheet, and mistakes share tables.
            for dataset in gateway.lab.get("/v1/datasets").json()["items"]:
                gateway.lab.delete(f"/v1/datasets/{dataset['id']}")
            if not shown(page, mistake):
                found.append(f"{mistake.name}: {page.locator('main').inner_text()[:600]}")
    return found


@pytest.mark.parametrize("with_genes", [False, True])
def test_some_mistakes_stand_on_the_page(with_genes: bool, tmp_path: Path):
    assert missed(tmp_path / "some", with_genes, _QUICK) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("with_genes", [False, True])
def test_every_mistake_stands_on_the_page(with_genes: bool, tmp_path: Path):
    assert missed(tmp_path / "every", with_genes, 1) == []
