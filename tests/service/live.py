"""The process that harness.Live starts: the real gateway on a fake cluster; prints its address."""

import json
import os
from pathlib import Path

import typer

from jobs.listen import bound, listen, log_to
from service.app import create_app
from service.settings import Settings
from tests.service.fake_cluster import FakeCluster

if __name__ == "__main__":
    settings = Settings()
    log_to(settings.access_log)
    app = create_app(settings, FakeCluster(Path(os.environ["FAKE_CLUSTER"])))
    with bound(settings) as (socket, url):
        listen(app, socket, lambda: typer.echo(json.dumps({"url": url, "pid": os.getpid()})))
