"""What one owner may keep and ask for: the limit is met exactly, however many race for it."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from service.datasets.quota import check_received
from service.problems import ProblemError
from service.settings import Settings
from tests.service.fake_cluster import FakeCluster
from tests.service.harness import Caller, running
from tests.service.toy_tables import SHEET, sha256

N_RACERS, LIMIT = 50, 10
PRETRAIN = {"kind": "pretrain", "params": {"recipe": "demo"}}


def race(ask: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    """All at once."""
    with ThreadPoolExecutor(N_RACERS) as pool:
        return list(pool.map(ask, range(N_RACERS)))


def check_refusals(answers: list[httpx.Response], good: int, refused: int, *parts: str) -> int:
    """Nothing but these two statuses, and each refusal names the numbers; returns how many were good."""
    counts = Counter(answer.status_code for answer in answers)
    assert set(counts) <= {good, refused}, [answer.text for answer in answers if answer.status_code >= 500]
    for answer in answers:
        if answer.status_code == refused:
            assert answer.headers["content-type"] == "application/problem+json"
            for part in parts:
                assert part in answer.json()["detail"]
    return counts[good]


def put(caller: Caller, body: bytes) -> httpx.Response:
    return caller.put(f"/v1/datasets/{sha256(body)}", content=body)


def test_of_fifty_uploads_at_once_as_many_stay_as_there_is_room_for(
    settings: Settings, fake: FakeCluster
) -> None:
    with running(settings.model_copy(update={"max_datasets": LIMIT}), fake) as gateway:
        answers = race(lambda number: put(gateway.lab, f"no table {number}".encode()))
        said = f"holds {LIMIT} datasets, and may hold {LIMIT}"
        assert check_refusals(answers, 201, 507, said) == LIMIT
        kept = gateway.lab.get("/v1/datasets?limit=200").json()["items"]
        assert len(kept) == LIMIT
        folders = [path.name for path in (settings.uploads / "lab").iterdir() if path.name[0] != "."]
        assert sorted(folders) == sorted(row["id"] for row in kept)
        # What is there already is no news, another owner has room, and what goes makes room.
        assert gateway.lab.put(f"/v1/datasets/{kept[0]['id']}", content=b"").status_code == 200
        assert put(gateway.caller("moon"), b"theirs").status_code == 201
        assert gateway.lab.delete(f"/v1/datasets/{kept[0]['id']}").status_code == 204
        assert put(gateway.lab, b"another").status_code == 201
        assert put(gateway.lab, b"one too many").status_code == 507


def test_of_fifty_uploads_at_once_no_byte_too_many_stays(settings: Settings, fake: FakeCluster) -> None:
    """Those that are being received count, so fewer than fit may get through at once; never more."""
    bodies = [bytes([number]) * 100_000 for number in range(N_RACERS)]  # ten fit into a MiB
    with running(settings.model_copy(update={"max_stored_mb": 1}), fake) as gateway:
        answers = race(lambda number: put(gateway.lab, bodies[number]))
        n_kept = check_refusals(answers, 201, 507, "may hold 1,", "MiB")
        assert 1 <= n_kept <= LIMIT
        for body, answer in zip(bodies, answers, strict=True):
            if answer.status_code == 507:
                n_kept += put(gateway.lab, body).status_code == 201
        assert n_kept == LIMIT
        # Sheets count as well, and stay as long as their dataset.
        kept = gateway.lab.get("/v1/datasets").json()["items"][0]["id"]
        sheets = [SHEET + b"# %d\n" % number + b"x" * 30_000 for number in range(3)]
        put_labels = [gateway.lab.put(f"/v1/datasets/{kept}/labels", content=sheet) for sheet in sheets]
        assert check_refusals(put_labels, 200, 507, "may hold 1,") == 1


def test_of_fifty_jobs_at_once_as_many_wait_as_may(settings: Settings, fake: FakeCluster) -> None:
    fake.unreachable()
    with running(settings.model_copy(update={"max_queued": LIMIT}), fake) as gateway:
        said = f"holds {LIMIT} of your jobs, and may hold {LIMIT}"
        answers = race(lambda _: gateway.lab.post("/v1/jobs", json=PRETRAIN))
        assert check_refusals(answers, 202, 429, said) == LIMIT
        assert len(gateway.lab.get("/v1/jobs?limit=200").json()["items"]) == LIMIT


def test_of_fifty_jobs_tried_again_at_once_as_many_wait_as_may(settings: Settings, fake: FakeCluster) -> None:
    fake.unreachable()
    with running(settings.model_copy(update={"max_queued": LIMIT}), fake) as gateway:
        stopped = []
        for _ in range(N_RACERS):
            stopped.append(gateway.lab.post("/v1/jobs", json=PRETRAIN).json()["id"])
            assert gateway.lab.post(f"/v1/jobs/{stopped[-1]}:cancel").status_code == 202
        answers = race(lambda number: gateway.lab.post(f"/v1/jobs/{stopped[number]}:retry"))
        assert check_refusals(answers, 202, 429, f"may hold {LIMIT}") == LIMIT


def test_bytes_on_their_way_count_before_they_are_kept(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, max_stored_mb=1)
    on_its_way = settings.uploads / "lab" / ".incoming-1"
    on_its_way.mkdir(parents=True)
    (on_its_way / "file").write_bytes(b"x" * 600_000)
    check_received(settings, "lab", 400_000)
    check_received(settings, "moon", 1_000_000)
    with pytest.raises(ProblemError) as refused:
        check_received(settings, "lab", 500_000)
    assert refused.value.status == 507
