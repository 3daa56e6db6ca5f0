"""The page as a new user meets it: drop, mend a mistake, ask, watch, read, download; in a real browser.

The cluster is a fake one, which runs when the test says so; the real one is in tests/jobs/test_page.py.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.chromium import needs_chromium
from tests.service.harness import Running
from tests.service.pages.browser import Tab, chromium, faults_for_screen_readers, tab
from tests.service.pages.tables import NAMES, TABLE, sheet
from tests.service.toy_jobs import put_model
from tests.service.toy_tables import when_validated

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def anna(browser: Browser, gateway: Running) -> Iterator[Tab]:
    """Signed in as the owner `lab`; at the end nothing was complained of, and nobody else was asked."""
    put_model(gateway.settings, "osd")
    with tab(browser, str(gateway.http.base_url), gateway.lab.key) as opened:
        yield opened
        opened.check_quiet()


def drop(page: Page, *files: tuple[str, bytes]) -> None:
    """Files onto the page, as from a folder's window."""
    page.evaluate(
        """files => {
          const given = new DataTransfer();
          for (const [name, text] of files) given.items.add(new File([text], name));
          for (const kind of ["dragenter", "dragover", "drop"])
            document.querySelector("form.drop").dispatchEvent(
              new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: given }));
        }""",
        [[name, body.decode()] for name, body in files],
    )
    page.wait_for_url(re.compile("/datasets/[0-9a-f]{64}$"))


def seen(page: Page, heading: str) -> None:
    expect(page.get_by_role("heading", name=heading)).to_be_visible()


def test_a_dropped_table_is_read_looked_at_and_asked(anna: Tab, gateway: Running):
    page = anna.page
    drop(page, ("labels.csv", sheet()), ("counts.csv", TABLE))
    seen(page, "A first look")
    facts = page.locator(".facts").inner_text()
    assert re.search(r"Samples\s+12", facts)
    assert "genes in rows" in facts
    for picture in ("Library sizes", "Principal components", "Sample correlation"):
        expect(page.get_by_role("heading", name=picture)).to_be_visible()
    for place in range(3):
        expect(page.locator(".chart .canvas").nth(place).locator("canvas").first).to_be_visible()
    views = page.get_by_label("Show").locator("option").all_inner_texts()
    assert views[0] == "group"
    assert any(view.endswith("(suspected batch)") for view in views)
    page.get_by_label("A word of your own").fill("my mice")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url(re.compile("/jobs/job-"))
    job = page.url.rpartition("/")[2]
    asked = gateway.lab.get(f"/v1/jobs/{job}").json()
    assert asked["kind"] == "linear"
    assert asked["label"] == "my mice"
    assert asked["params"]["column"] == "group"
    assert sorted(asked["params"]["groups"]) == ["flight", "ground"]
    assert asked["params"]["model"] == "osd"


def test_groups_are_marked_by_hand_where_there_is_no_sheet(anna: Tab, gateway: Running):
    page = anna.page
    drop(page, ("counts.csv", TABLE))
    seen(page, "Who is in which group")
    expect(page.get_by_text("No column has two groups")).to_be_visible()
    for place, value in ((1, "flight"), (0, "ground")):
        ticks = page.locator("[data-tick]")
        for row in range(len(NAMES)):
            ticks.nth(row).set_checked(row % 2 == place)
        page.get_by_label("Mark the ticked samples as").fill(value)
        page.get_by_role("button", name="Mark", exact=True).click()
    page.get_by_role("button", name="Save the sheet").click()
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    report = when_validated(gateway.lab, f"/v1/datasets/{page.url.rpartition('/')[2]}")["report"]
    assert report["label_column"] == "group"
    assert report["columns"][0]["values"] == {"flight": 6, "ground": 6}


def test_a_cell_is_mended_with_the_keyboard_alone(anna: Tab, gateway: Running):
    page = anna.page
    groups = ["ground", "flihgt", *(["ground", "flight"] * 5)]
    drop(page, ("counts.csv", TABLE), ("labels.csv", sheet(groups=groups)))
    warning = page.locator(".fault.warning", has_text="flihgt")
    expect(warning).to_be_visible()
    page.get_by_label(f"group of {NAMES[0]}").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label(f"group of {NAMES[1]}")).to_be_focused()
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("flight")
    page.get_by_role("button", name="Save the sheet").press("Enter")
    expect(warning).to_have_count(0)
    report = when_validated(gateway.lab, f"/v1/datasets/{page.url.rpartition('/')[2]}")["report"]
    assert report["columns"][0]["values"] == {"ground": 6, "flight": 6}


def test_a_sheet_that_names_other_samples_is_mended_in_the_page(anna: Tab):
    page = anna.page
    drop(page, ("counts.csv", TABLE), ("labels.csv", sheet(names=[f"other{n}" for n in range(12)])))
    seen(page, "What has to be mended")
    fault = page.locator(".fault.problem")
    for part in ("where", "what", "remedy"):
        assert fault.locator(f".{part}").inner_text().strip()
    seen(page, "A first look")
    page.locator("[data-sheet-file]").set_input_files(
        {"name": "labels.csv", "mimeType": "text/csv", "buffer": sheet()}
    )
    page.get_by_role("button", name="Save the sheet").click()
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    expect(fault).to_have_count(0)


def test_a_table_that_is_none_says_what_to_do_and_takes_another_in_place(anna: Tab):
    page = anna.page
    logs = re.sub(rb",(\d+)", lambda found: b",%.4f" % (int(found[1]) ** 0.2), TABLE)
    drop(page, ("counts.csv", logs))
    seen(page, "What has to be mended")
    assert "logarithms" in page.locator(".fault .what").inner_text()
    assert "raw counts" in page.locator(".fault .remedy").inner_text()
    before = page.url
    page.set_input_files("#file", {"name": "counts.csv", "mimeType": "text/csv", "buffer": TABLE})
    page.get_by_role("button", name="Read it").click()
    page.wait_for_url(lambda url: url != before)
    seen(page, "A first look")


def begun(page: Page, gateway: Running) -> str:
    """A linear job that waits for the test; its page is open. Returns its submission's id."""
    drop(page, ("counts.csv", TABLE), ("labels.csv", sheet()))
    page.get_by_role("button", name="Start").click()
    page.wait_for_url(re.compile("/jobs/job-"))
    submission = f"{page.url.rpartition('/')[2]}-1"
    gateway.fake.wait_for(submission)
    gateway.fake.begin(submission)
    return submission


def test_a_job_is_watched_left_alone_found_again_and_cancelled(anna: Tab, gateway: Running):
    page = anna.page
    submission = begun(page, gateway)
    progress = {"label": "linear", "done": 1, "total": 4, "note": "", "figures": {"loss": 0.5}}
    gateway.fake.say(submission, "progress", progress)
    expect(page.get_by_role("status")).to_contain_text("linear 1/4")
    page.get_by_text("What it printed").click()
    page.get_by_role("button", name="Cancel").focus()
    gateway.fake.say(submission, "progress", {**progress, "done": 2})
    expect(page.get_by_role("status")).to_contain_text("linear 2/4")
    seen(page, "Curves")
    expect(page.locator("#log pre")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    address = page.url
    anna.go("/")
    page.get_by_role("link", name="Jobs").click()
    page.locator("tbody a").first.click()
    assert page.url == address
    page.get_by_role("button", name="Cancel").click()
    seen(page, "Stopping")
    assert gateway.lab.get(f"/v1/jobs/{submission[:-2]}").json()["cancel"] is True


def test_a_failure_says_why_and_offers_another_try(anna: Tab, gateway: Running):
    page = anna.page
    submission = begun(page, gateway)
    error = {"where": "task", "what": "has one sample of flight", "remedy": "give two"}
    gateway.fake.finish(submission, "FAILED", "user", error)
    expect(page.locator(".fault .what")).to_have_text("has one sample of flight")
    page.get_by_role("button", name="Run it again").click()
    expect(page.locator(".line")).to_contain_text("attempt 2")


def test_every_page_reads_well_to_a_screen_reader_on_small_screens_and_in_the_dark(
    browser: Browser, gateway: Running
):
    put_model(gateway.settings, "osd")
    for options in ({}, {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"}):
        with tab(browser, str(gateway.http.base_url), gateway.lab.key, **options) as opened:
            page, found = opened.page, dict[str, list[str]]()
            found["/"] = faults_for_screen_readers(page)
            submission = begun(page, gateway)
            job = page.url.removeprefix(opened.url)
            dataset = f"/datasets/{gateway.lab.get('/v1' + job).json()['params']['train']}"
            for path in (
                dataset,
                job,
                "/jobs",
                f"/compare?job={job[6:]}&job={job[6:]}",
                "/models",
                "/models/osd",
                "/cluster",
            ):
                opened.go(path)
                found[path] = faults_for_screen_readers(page)
                wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
                assert wide <= 0, f"{path} is {wide} pixels too wide"
            assert {path: faults for path, faults in found.items() if faults} == {}
            opened.check_quiet()
            gateway.fake.finish(submission)


def test_a_picture_is_saved_as_an_svg_file(anna: Tab):
    page = anna.page
    drop(page, ("counts.csv", TABLE), ("labels.csv", sheet()))
    seen(page, "Principal components")
    for place, name in enumerate(("library-sizes", "principal-components", "sample-correlation")):
        with page.expect_download() as download:
            page.get_by_role("button", name="Save as SVG").nth(place).click()
        assert download.value.suggested_filename == f"{name}.svg"
        text = Path(download.value.path()).read_text()
        assert text.startswith("<svg")
        assert "<script" not in text


def test_colours_of_the_components_follow_the_grouping_that_is_chosen(anna: Tab):
    page = anna.page
    drop(page, ("counts.csv", TABLE), ("labels.csv", sheet()))
    figure = page.locator("figure.chart", has=page.get_by_role("heading", name="Principal components"))
    expect(figure.locator("canvas")).to_be_visible()
    before = figure.locator("canvas").screenshot()
    figure.get_by_label("Show").select_option(index=1)
    assert figure.locator("canvas").screenshot() != before


def test_the_description_of_the_api_needs_no_other_host(anna: Tab):
    anna.go("/docs")
    expect(anna.page.locator(".opblock").first).to_be_visible()
    expect(anna.page.get_by_text("/v1/datasets:validate").first).to_be_visible()


def test_it_prints_without_what_is_only_for_the_screen(anna: Tab):
    page = anna.page
    drop(page, ("counts.csv", TABLE), ("labels.csv", sheet()))
    seen(page, "A first look")
    page.emulate_media(media="print")
    for hidden in ("header", ".sheet", ".ask"):
        expect(page.locator(hidden).first).to_be_hidden()
    expect(page.locator(".chart canvas").first).to_be_visible()
