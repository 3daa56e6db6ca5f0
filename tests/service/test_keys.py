"""Who may what: keys over HTTP, and what is stored of them."""

from typing import Any

import pytest
from sqlalchemy import select, update

from service.store import keys as service_keys
from service.store.tables import keys
from tests.service.harness import Caller, Running, make_key


def _stored(gateway: Running) -> str:
    with gateway.database.read() as connection:
        return str(connection.execute(select(keys)).all())


def test_a_key_says_who_it_acts_for(gateway: Running) -> None:
    me = gateway.caller("moon", "read").get("/v1/me").json()
    assert (me["owner"], me["scopes"]) == ("moon", ["read"])


def test_a_new_key_works_is_shown_once_and_stored_as_a_hash(gateway: Running) -> None:
    answer = gateway.lab.post("/v1/keys", json={"owner": "moon", "name": "for Ann", "days": 2})
    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert made["scopes"] == ["read", "write"]
    assert Caller(gateway.http, made["key"]).get("/v1/me").json()["owner"] == "moon"
    secret = made["key"].rpartition("_")[2]
    assert secret not in _stored(gateway)
    assert secret not in gateway.lab.get("/v1/keys").text
    assert made["id"] in gateway.lab.get("/v1/keys").text


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic bGFiOmxhYg=="},
        {"Authorization": "Bearer rnal_00000000000000000000_" + "0" * 48},
        {"Authorization": b"Bearer \xff\xfe"},
        {"Authorization": "Bearer " + "x" * 5000},
    ],
)
def test_without_a_good_key_the_answer_is_401_and_says_how(
    sqlite_gateway: Running, header: dict[str, str]
) -> None:
    answer = sqlite_gateway.http.get("/v1/me", headers=header)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["type"] == "urn:rnalearner:unauthorised"


def test_a_key_with_another_secret_is_refused(gateway: Running) -> None:
    key = make_key(gateway.database)
    other = key[:-1] + ("0" if key[-1] != "0" else "1")
    assert Caller(gateway.http, other).get("/v1/me").status_code == 401


def test_an_expired_key_is_refused(gateway: Running) -> None:
    assert gateway.caller("lab", days=-1).get("/v1/me").status_code == 401


def test_a_key_that_expires_is_not_remembered_longer(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = gateway.caller("lab", days=10)
    assert short.get("/v1/me").status_code == 200
    later = service_keys.now() + 11 * 86400
    monkeypatch.setattr(service_keys, "now", lambda: later)
    assert short.get("/v1/me").status_code == 401


def test_a_revoked_key_is_refused_at_once(gateway: Running) -> None:
    made = gateway.lab.post("/v1/keys", json={"owner": "moon"}).json()
    moon = Caller(gateway.http, made["key"])
    assert moon.get("/v1/me").status_code == 200
    assert gateway.lab.delete(f"/v1/keys/{made['id']}").status_code == 204
    assert moon.get("/v1/me").status_code == 401
    assert gateway.lab.delete(f"/v1/keys/{made['id']}").status_code == 204
    assert next(key for key in gateway.lab.get("/v1/keys").json()["items"] if key["id"] == made["id"])[
        "revoked"
    ]


def test_a_revocation_by_another_process_counts_within_seconds(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    moon = gateway.caller("moon")
    assert moon.get("/v1/me").status_code == 200
    with gateway.database.write() as connection:
        connection.execute(update(keys).where(keys.c.owner == "moon").values(revoked=1.0))
    later = service_keys.now() + 4
    monkeypatch.setattr(service_keys, "now", lambda: later)
    assert moon.get("/v1/me").status_code == 401


def test_the_key_that_asks_cannot_revoke_itself(gateway: Running) -> None:
    mine = gateway.lab.get("/v1/me").json()["key"]
    assert gateway.lab.delete(f"/v1/keys/{mine}").status_code == 409
    assert gateway.lab.get("/v1/me").status_code == 200


def test_only_admins_see_or_make_keys(gateway: Running) -> None:
    trainer = gateway.caller("lab", "read", "write", "train")
    for answer in (
        trainer.get("/v1/keys"),
        trainer.post("/v1/keys", json={"owner": "lab", "scopes": ["admin"]}),
        trainer.delete("/v1/keys/" + "0" * 20),
    ):
        assert answer.status_code == 403
        assert "admin" in answer.json()["detail"]


def test_an_unknown_key_cannot_be_revoked(gateway: Running) -> None:
    assert gateway.lab.delete("/v1/keys/" + "0" * 20).status_code == 404


def test_keys_are_listed_page_by_page_the_newest_first(gateway: Running) -> None:
    made = {gateway.lab.post("/v1/keys", json={"owner": "moon"}).json()["id"] for _ in range(5)}
    found: list[str] = []
    page = {"next": None}
    while True:
        query = {"limit": 2} | ({"cursor": page["next"]} if page["next"] else {})
        page = gateway.lab.get("/v1/keys", params=query).json()
        found += [key["id"] for key in page["items"]]
        if page["next"] is None:
            break
    assert found == sorted(found, reverse=True)
    assert made < set(found)
    assert len(found) == len(made) + 1


def test_the_last_use_is_noted(gateway: Running) -> None:
    gateway.lab.get("/v1/me")
    assert gateway.lab.get("/v1/keys").json()["items"][0]["last_used"] is not None


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"owner": "Has Spaces"},
        {"owner": "../up"},
        {"owner": "lab", "scopes": []},
        {"owner": "lab", "scopes": ["root"]},
        {"owner": "lab", "days": 0},
        {"owner": "lab", "days": 1e300},
        {"owner": "lab", "name": "a\x00b"},
        {"owner": "lab", "name": "x" * 121},
        {"owner": "lab", "secret": "mine"},
    ],
)
def test_a_wish_for_a_key_that_makes_no_sense_is_refused(
    sqlite_gateway: Running, wish: dict[str, object]
) -> None:
    answer = sqlite_gateway.lab.post("/v1/keys", json=wish)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"]


def test_no_operation_is_open_to_strangers_or_to_the_wrong_scope(sqlite_gateway: Running) -> None:
    nobody, useless = sqlite_gateway.http, sqlite_gateway.caller("lab", "train")
    closed = 0
    for template, operations in sqlite_gateway.http.get("/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            path = template
            for parameter in operation.get("parameters", []):
                example = parameter["schema"].get("examples", ["x"])[0]
                path = path.replace(f"{{{parameter['name']}}}", str(example))
            if operation.get("security"):
                closed += 1
                body = _good_body(path)
                assert nobody.request(method, path, **body).status_code == 401, (method, path)
                assert useless.request(method, path, **body).status_code == 403, (method, path)
    assert closed > 20


def _good_body(path: str) -> dict[str, Any]:
    """What would be accepted, so that nothing but the key is in the way."""
    if path == "/v1/keys":
        return {"json": {"owner": "lab"}}
    if path == "/v1/jobs":
        return {"json": {"kind": "explore", "params": {"datasets": ["ab" * 32]}}}
    return {}
