"""The HTTP client of the command line: our errors, retries that double nothing, streams that reconnect."""

import hashlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from httpx_sse import ServerSentEvent, SSEError, connect_sse

from rnalearner.errors import AccessError, GatewayError, InputError, RnalearnerError
from rnalearner.publish import publish_file, sha256_of

Json = dict[str, Any]
_PIECE = 1 << 20
_AWAY_S = 60.0
"""How long a gateway that does not answer is tried again: it may be starting anew."""


class GatewayClient:
    """One gateway, one key. Every call raises AccessError (401, 403), InputError (any other 4xx) or
    GatewayError (5xx, or no answer)."""

    def __init__(
        self, server: str, key: str, *, away_s: float = _AWAY_S, transport: httpx.BaseTransport | None = None
    ) -> None:
        """`away_s`: how long to try again where nobody answers; raises InputError for what is no address."""
        self.server, self.away_s = server.rstrip("/"), away_s
        address = _address(self.server)
        self.http = httpx.Client(
            base_url=address,
            verify=address.scheme == "https",  # to read the certificates takes 50 ms
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx.Timeout(30, read=120),
            transport=transport,
        )

    def __enter__(self) -> "GatewayClient":
        return self

    def __exit__(self, *fault: object) -> None:
        self.http.close()

    def get(self, path: str, **query: Any) -> Json:
        """The JSON at `path`; query values that are None are left out."""
        asked = {name: value for name, value in query.items() if value is not None}
        return self._json(self._repeated(lambda: self.http.get(path, params=asked)))

    def pages(self, path: str, limit: int | None = None, **query: Any) -> Iterator[Json]:
        """The items of a list, page after page; `limit` of them at most."""
        cursor, given = None, 0
        while True:
            size = 200 if limit is None else min(200, limit - given)
            page = self.get(path, cursor=cursor, limit=size, **query)
            yield from page["items"]
            given, cursor = given + len(page["items"]), page["next"]
            if cursor is None or (limit is not None and given >= limit):
                return

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Json:
        """Ask once, however often the line breaks: every try carries the same Idempotency-Key."""
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        return self._json(self._repeated(lambda: self.http.post(path, json=body, headers=headers)))

    def delete(self, path: str) -> None:
        self._repeated(lambda: self.http.delete(path))

    def upload(self, table: Path, name: str, on_bytes: Callable[[int, int], None]) -> Json:
        """A table, streamed, under the sha256 of its bytes; `on_bytes(sent, of all)`. Returns the dataset."""
        digest, size = sha256_of(table), table.stat().st_size
        there = self._repeated(lambda: self.http.get(f"/v1/datasets/{digest}"), missing_ok=True)
        if there.status_code == 200:
            return self._json(there)
        headers = {"Content-Length": str(size)}

        def send() -> httpx.Response:
            return self.http.put(
                f"/v1/datasets/{digest}",
                params={"name": name},
                content=_pieces(table, size, on_bytes),
                headers=headers,
            )

        return self._json(self._repeated(send))

    def put_labels(self, dataset: str, sheet: Path) -> Json:
        content = sheet.read_bytes()
        path = f"/v1/datasets/{dataset}/labels"
        return self._json(self._repeated(lambda: self.http.put(path, content=content)))

    def validate(self, table: Path, labels: Path | None) -> Json:
        """The report on a table; nothing is stored. Raises InputError for one that cannot be used."""

        def send() -> httpx.Response:
            with table.open("rb") as file:
                files: dict[str, Any] = {"file": (table.name, file)}
                if labels is not None:
                    files["labels"] = (labels.name, labels.read_bytes())
                return self.http.post("/v1/datasets:validate", files=files)

        return self._json(self._repeated(send))

    def events(self, job: str, after: int = 0) -> Iterator[Json]:
        """Every event of a job after number `after`, once and in order, until it has ended; reconnects."""
        last, away_since = after, None
        while True:
            try:
                with connect_sse(
                    self.http,
                    "GET",
                    f"/v1/jobs/{job}/events",
                    headers={"Last-Event-ID": str(last)} if last else {},
                ) as source:
                    if source.response.status_code >= 400:
                        source.response.read()
                        raise fault_of(source.response)
                    away_since = None
                    for sent in source.iter_sse():
                        if sent.id and int(sent.id) > last:
                            last = int(sent.id)
                            yield _event(sent)
            except (httpx.TransportError, SSEError, GatewayError) as error:
                away_since = away_since or time.monotonic()
                if time.monotonic() - away_since > self.away_s:
                    raise self._away(error) from None
                time.sleep(0.5)
                continue
            # A stream that closed in peace: the job has ended, or a proxy was impatient.
            page = self.get(f"/v1/jobs/{job}/events", format="json", after=last)
            yield from page["items"]
            last = page["after"]
            if page["ended"]:
                return

    def text(self, path: str, **query: Any) -> str:
        return self._repeated(lambda: self.http.get(path, params=query)).text

    def download(self, path: str, target: Path, sha256: str) -> None:
        """A file of a job's results, whole or not at all; raises GatewayError where bytes differ."""
        if not path.startswith("/"):  # the key is for this gateway alone
            raise GatewayError(path, "is a link to elsewhere", "name the right --server")
        digest = hashlib.sha256()
        with publish_file(target) as temporary:
            with self._streamed(path) as response, temporary.open("wb") as file:
                for piece in response.iter_bytes(_PIECE):
                    digest.update(piece)
                    file.write(piece)
            if digest.hexdigest() != sha256:
                raise GatewayError(target, "arrived with other bytes than were sent", "download it again")

    def _json(self, response: httpx.Response) -> Json:
        try:
            answer: Json = response.json()
        except ValueError:
            what = f"answers {response.request.url.path} with no JSON"
            raise GatewayError(self.server, what, "name the address of a gateway as --server") from None
        return answer

    @contextmanager
    def _streamed(self, path: str) -> Iterator[httpx.Response]:
        try:
            with self.http.stream("GET", path) as response:
                if response.status_code >= 400:
                    response.read()
                    raise fault_of(response)
                yield response
        except httpx.TransportError as error:
            raise self._away(error) from None

    def _repeated(self, send: Callable[[], httpx.Response], missing_ok: bool = False) -> httpx.Response:
        begun = time.monotonic()
        while True:
            try:
                response = send()
                # 409 with Retry-After: our own request of a moment ago is still being carried out.
                busy = response.status_code in (409, 502, 503, 504) and "Retry-After" in response.headers
                if not busy and "RateLimit-Reset" not in response.headers:
                    break
            except httpx.TransportError as error:
                if time.monotonic() - begun > self.away_s:
                    raise self._away(error) from None
            else:
                if time.monotonic() - begun > self.away_s:
                    break
            time.sleep(0.5)
        if response.status_code < 400 or (missing_ok and response.status_code == 404):
            return response
        raise fault_of(response)

    def _away(self, error: Exception) -> GatewayError:
        what = f"does not answer ({error or type(error).__name__})"
        return GatewayError(self.server, what, "start it with `rnalearner serve`, or name another --server")


def fault_of(response: httpx.Response) -> RnalearnerError:
    """A problem of the gateway as our own error, in its own three parts; other answers by their status."""
    if response.headers.get("content-type", "").startswith("application/problem+json"):
        problem = response.json()
        if problem["errors"]:
            where, what, remedy = (problem["errors"][0][part] for part in ("where", "what", "remedy"))
        else:  # "where: what; remedy."
            where, _, rest = problem["detail"].removesuffix(".").partition(": ")
            what, _, remedy = rest.partition("; ")
    else:
        where, what = str(response.request.url), f"answered {response.status_code}"
        remedy = "name the address of a gateway as --server"
    if response.status_code in (401, 403):
        return AccessError(where, what, remedy)
    kind = InputError if response.status_code < 500 else GatewayError
    return kind(where, what, remedy)


def job_path(job: str, *parts: str) -> str:
    return "/".join([f"/v1/jobs/{quote(job, safe='')}", *(quote(part) for part in parts)])


def _address(server: str) -> httpx.URL:
    try:
        url = httpx.URL(server)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise InputError(server, "is no address of a gateway", "write it as http://127.0.0.1:8440")
    return url


def _pieces(table: Path, size: int, on_bytes: Callable[[int, int], None]) -> Iterator[bytes]:
    sent = 0
    with table.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
            sent += len(piece)
            on_bytes(sent, size)


def _event(sent: ServerSentEvent) -> Json:
    event: Json = sent.json()
    return event
