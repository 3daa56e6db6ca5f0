"""Signing in by key: what a browser holds, what ends it, and what other sites cannot do with it."""

import httpx
import pytest
from sqlalchemy import select, update

from service.store.database import now
from service.store.keys import list_keys
from service.store.tables import keys
from service.web.session import COOKIE
from tests.service.harness import Running, make_key
from tests.service.pages.conftest import OWN, signed_in
from tests.service.toy_tables import sha256, table

FOREIGN = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "http://evil.example"},
    {},
)


def test_whoever_has_not_signed_in_is_sent_to_the_door_and_back_afterwards(sqlite_gateway: Running):
    with httpx.Client(base_url=sqlite_gateway.http.base_url, headers=OWN) as browser:
        sent = browser.get("/jobs?status=FAILED")
        assert sent.status_code == 303
        assert sent.headers["Location"] == "/sign-in?next=/jobs%3Fstatus%3DFAILED"
        door = browser.get(sent.headers["Location"])
        assert 'value="/jobs?status=FAILED"' in door.text
        into = browser.post("/sign-in", data={"key": sqlite_gateway.lab.key, "next": "/jobs?status=FAILED"})
        assert into.headers["Location"] == "/jobs?status=FAILED"
        assert browser.get("/jobs?status=FAILED").status_code == 200


def test_the_cookie_is_no_key_of_ours_and_out_of_reach_for_scripts_and_other_sites(sqlite_gateway: Running):
    with httpx.Client(base_url=sqlite_gateway.http.base_url, headers=OWN) as browser:
        cookie = browser.post("/sign-in", data={"key": sqlite_gateway.lab.key}).headers["Set-Cookie"]
    assert sqlite_gateway.lab.key not in cookie
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}


def test_a_session_does_what_its_key_may_but_makes_no_keys(sqlite_gateway: Running):
    key = make_key(sqlite_gateway.database, "lab", "read", "write", "admin")
    with signed_in(sqlite_gateway, key) as browser:
        assert browser.get("/v1/me").json()["scopes"] == ["read", "write"]
        assert browser.get("/v1/keys").status_code == 403
        body = table()
        assert browser.put(f"/v1/datasets/{sha256(body)}", content=body).status_code in (200, 201)


@pytest.mark.parametrize("asked", ["", "nonsense", "rnal_" + "0" * 20 + "_" + "0" * 48])
def test_a_wrong_key_opens_nothing_and_is_told_so(sqlite_gateway: Running, asked: str):
    answer = sqlite_gateway.http.post("/sign-in", data={"key": asked}, headers=OWN)
    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers
    assert 'role="alert"' in answer.text


def test_a_revoked_key_ends_its_sessions_at_once(sqlite_gateway: Running):
    other = sqlite_gateway.caller("lab")
    with signed_in(sqlite_gateway, other.key) as browser:
        assert browser.get("/jobs").status_code == 200
        key_id = other.key.split("_")[1]
        assert sqlite_gateway.lab.delete(f"/v1/keys/{key_id}").status_code == 204
        assert browser.get("/jobs").headers["Location"].startswith("/sign-in")
        assert browser.get("/v1/me").status_code == 401


def test_a_session_ends_no_later_than_its_key_and_after_twelve_hours(sqlite_gateway: Running):
    for days, most_h in ((None, 12.0), (0.25, 6.0)):
        key = make_key(sqlite_gateway.database, "brief", days=days)
        with signed_in(sqlite_gateway, key):
            pass
        with sqlite_gateway.database.read() as connection:
            mine = select(keys.c.expires).where(keys.c.parent == key.split("_")[1])
            expires = connection.execute(mine).scalar_one()
        assert most_h - 0.1 < (expires - now()) / 3600 <= most_h


def test_an_expired_session_is_no_session_and_is_cleared_away_at_the_next_sign_in(sqlite_gateway: Running):
    key = make_key(sqlite_gateway.database, "late")
    key_id = key.split("_")[1]
    with signed_in(sqlite_gateway, key) as browser:
        with sqlite_gateway.database.write() as connection:
            connection.execute(update(keys).where(keys.c.parent == key_id).values(expires=now() - 1))
        sqlite_gateway.app.state.gateway.keys.forget(key_id)
        assert browser.get("/").status_code == 303
    with signed_in(sqlite_gateway, key):
        pass
    with sqlite_gateway.database.read() as connection:
        left = connection.execute(select(keys.c.id).where(keys.c.parent == key_id)).all()
    assert len(left) == 1


def test_a_session_makes_no_other_session(sqlite_gateway: Running, anna: httpx.Client):
    answer = sqlite_gateway.http.post("/sign-in", data={"key": anna.cookies[COOKIE]}, headers=OWN)
    assert answer.status_code == 401


def test_signing_out_ends_the_session_itself_not_just_its_cookie(sqlite_gateway: Running):
    with signed_in(sqlite_gateway, sqlite_gateway.lab.key) as browser:
        session = browser.cookies[COOKIE]
        assert browser.post("/sign-out").headers["Location"] == "/sign-in"
    kept = {"Cookie": f"{COOKIE}={session}"}
    assert sqlite_gateway.http.get("/v1/me", headers=kept).status_code == 401
    assert sqlite_gateway.lab.get("/v1/me").status_code == 200


@pytest.mark.parametrize("headers", FOREIGN)
def test_other_sites_change_nothing_with_a_session_that_a_browser_sends_along(
    sqlite_gateway: Running, anna: httpx.Client, headers: dict[str, str]
):
    cookie = {"Cookie": f"{COOKIE}={anna.cookies[COOKIE]}", **headers}
    body = table(seed=3)
    http = sqlite_gateway.http
    assert http.put(f"/v1/datasets/{sha256(body)}", content=body, headers=cookie).status_code == 401
    assert http.post("/v1/jobs", json={}, headers=cookie).status_code == 401
    assert http.post("/sign-out", headers=cookie).status_code == 403
    assert http.post("/sign-in", data={"key": sqlite_gateway.lab.key}, headers=headers).status_code == 403
    assert anna.get("/v1/me").status_code == 200


def test_where_a_browser_says_only_its_origin_that_decides(sqlite_gateway: Running, anna: httpx.Client):
    url = str(sqlite_gateway.http.base_url).rstrip("/")
    cookie = {"Cookie": f"{COOKIE}={anna.cookies[COOKIE]}", "Origin": url}
    body = table(seed=4)
    answer = sqlite_gateway.http.put(f"/v1/datasets/{sha256(body)}", content=body, headers=cookie)
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "asked", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", "/a\nb"]
)
def test_after_signing_in_nobody_is_sent_to_another_place(sqlite_gateway: Running, asked: str):
    answer = sqlite_gateway.http.post(
        "/sign-in", data={"key": sqlite_gateway.lab.key, "next": asked}, headers=OWN
    )
    assert answer.headers["Location"] == "/"


def test_sessions_are_no_keys_in_the_list_of_keys(sqlite_gateway: Running, anna: httpx.Client):
    with sqlite_gateway.database.read() as connection:
        assert all(row["parent"] is None for row in list_keys(connection))
