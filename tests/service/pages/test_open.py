"""`rnalearner open`: the page in a browser, without its command line holding a key."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from tests.chromium import needs_chromium
from tests.service.harness import Running
from tests.service.pages.browser import chromium


def opened(gateway: Running, home: Path, key: str) -> tuple[subprocess.CompletedProcess[str], Path]:
    """What the command said, and the file that its browser was given."""
    browser, told = home / "browser", home / "told"
    browser.write_text(f'#!/bin/sh\necho "$@" > {told}\n')
    browser.chmod(0o700)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RNALEARNER_", "XDG_"))}
    own = {"HOME": str(home), "BROWSER": f"{browser} %s", "RNALEARNER_KEY": key}
    own["RNALEARNER_SERVER"] = str(gateway.http.base_url)
    command = [sys.executable, "-m", "jobs.cli", "open"]
    done = subprocess.run(command, env=kept | own, capture_output=True, text=True, timeout=60, check=False)
    given = told.read_text().strip() if told.exists() else "file:///nothing"
    assert key not in given
    return done, Path(url2pathname(urlsplit(given).path))


def test_the_browser_is_given_a_file_that_only_its_user_may_read(sqlite_gateway: Running, tmp_path: Path):
    done, file = opened(sqlite_gateway, tmp_path, sqlite_gateway.lab.key)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_key_that_opens_nothing_opens_no_browser(sqlite_gateway: Running, tmp_path: Path):
    done, file = opened(sqlite_gateway, tmp_path, "rnal_" + "0" * 20 + "_" + "0" * 48)
    assert done.returncode == 4
    assert not file.exists()


@needs_chromium
def test_that_file_signs_in_and_leaves_no_key_in_the_address(sqlite_gateway: Running, tmp_path: Path):
    _, file = opened(sqlite_gateway, tmp_path, sqlite_gateway.lab.key)
    with chromium() as browser:
        page = browser.new_page()
        page.goto(file.as_uri())
        page.get_by_role("heading", name="Datasets").wait_for(timeout=20_000)
        assert page.url == str(sqlite_gateway.http.base_url).rstrip("/") + "/"
