"""The Jobs API of a cluster: the only use of ray.job_submission. A `service.submitter.JobSubmitter`."""

import glob
import logging
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast

import httpx
import ray
from ray.job_submission import JobSubmissionClient

import rnalearner
from rnalearner.errors import ClusterError, OpenClusterError

RayStatus = Literal["PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED"]

CONNECT_S, ANSWER_S = 3.0, 8.0
STOP_WAIT_S = 8
"""Ray kills a job that has not ended so long after it was asked to; its own default is 3."""
_SHIPPED = ("rnalearner", "cluster", "jobs", "service")
"""Of the checkout these folders travel, and nothing that lies beside them, data above all."""


class RayJobs:
    """Jobs on the cluster whose dashboard is at `address` (http://host:8265).

    `python` is an interpreter of the cluster's hosts that has this project installed; without it the
    code of this checkout travels with every job, and the cluster's own interpreter runs it. Nothing
    is asked of the cluster before the first call.
    """

    def __init__(self, address: str, python: str | None = None) -> None:
        self.address = (address if "://" in address else f"http://{address}").rstrip("/")
        self._python = python
        self._client: _Client | None = None

    def submit(
        self, submission_id: str, words: Sequence[str], folder: Path, env: Mapping[str, str] | None = None
    ) -> None:
        """Run `rnalearner <words>`; its workers read and write `folder`, so all hosts must share it."""
        kept = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "")}
        variables = {
            "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S),
            **{name: value for name, value in kept.items() if value},
            **(env or {}),
        }
        runtime_env: dict[str, Any] = {"env_vars": variables}
        if self._python is None:
            runtime_env |= own_code()
        # exec: signals and the exit code are the command's own, not a shell's.
        entrypoint = f"exec {shlex.join([self._python or 'python', '-m', 'jobs.cli', *words])}"
        with self._asked() as client:
            try:
                client.submit_job(
                    entrypoint=entrypoint,
                    submission_id=submission_id,
                    runtime_env=runtime_env,
                    metadata={"folder": str(folder)},
                )
            except _RefusedError:
                # Ray answers 500 to an id that it knows. Then this is a repetition, and done.
                if self.status(submission_id) is None:
                    raise

    def status(self, submission_id: str) -> RayStatus | None:
        """Ray's word, None for an id that it does not know."""
        with self._asked() as client:
            try:
                return cast(RayStatus, str(client.get_job_status(submission_id)))
            except _RefusedError as error:
                if error.status == httpx.codes.NOT_FOUND:
                    return None
                raise

    def stop(self, submission_id: str) -> None:
        """SIGTERM, and SIGKILL after STOP_WAIT_S."""
        with self._asked() as client:
            try:
                client.stop_job(submission_id)
            except _RefusedError as error:
                if error.status != httpx.codes.NOT_FOUND:
                    raise

    def logs(self, submission_id: str) -> str:
        """What the driver printed before its own log began; empty for an unknown id."""
        with self._asked() as client:
            try:
                return str(client.get_job_logs(submission_id))
            except _RefusedError as error:
                if error.status == httpx.codes.NOT_FOUND:
                    return ""
                raise

    def nodes(self) -> list[dict[str, Any]]:
        """Each node's id, whether it is alive, and its resources."""
        with self._asked() as client:
            return [
                {
                    "id": node["node_id"],
                    "alive": node["state"] == "ALIVE",
                    "resources": {
                        name: amount
                        for name, amount in (node.get("resources_total") or {}).items()
                        if not name.startswith("node:")
                    },
                }
                for node in client.all_nodes()
            ]

    def check(self) -> None:
        """Raises ClusterError unless the Jobs API answers us, and refuses whoever has no token."""
        # The stranger first: an open cluster is one where we have no token, too.
        try:
            timeout = httpx.Timeout(ANSWER_S, connect=CONNECT_S)
            answer = anybody_gets(f"{self.address}/api/jobs/", timeout)
        except httpx.HTTPError as error:
            raise self._silent(error) from error
        if answer.is_server_error:
            raise ClusterError(self._where, f"answered {answer.status_code}", "see the logs of its head")
        if answer.status_code != httpx.codes.UNAUTHORIZED:
            what = f"runs anybody's code: without a token it answered {answer.status_code}, not 401"
            remedy = "start its head with RAY_AUTH_MODE=token, and give the token in ~/.ray/auth_token"
            raise OpenClusterError(self._where, what, remedy)
        self.status("somebody")

    def close(self) -> None:
        """Nothing was started here."""

    @property
    def _where(self) -> str:
        return f"Ray at {self.address}"

    def _silent(self, error: Exception) -> ClusterError:
        what = f"does not answer ({type(error).__name__})"
        return ClusterError(self._where, what, "check the address, and that the cluster runs")

    @contextmanager
    def _asked(self) -> Iterator["_Client"]:
        """A client whose every fault, Ray's and the network's, is a ClusterError."""
        try:
            self._client = self._client or _Client(self.address)
            yield self._client
        except ray.exceptions.AuthenticationError as error:
            remedy = "put the cluster's token into ~/.ray/auth_token, or name it in RAY_AUTH_TOKEN"
            raise ClusterError(self._where, "refused our token", remedy) from error
        except _RefusedError as error:
            raise ClusterError(self._where, f"answered {error}", "see the logs of its head") from error
        except (OSError, httpx.HTTPError) as error:  # requests' errors are OSErrors
            raise self._silent(error) from error
        except (KeyError, RuntimeError, TypeError, ValueError, ray.exceptions.RayError) as error:
            what = f"did not do what was asked ({_first_line(error)})"
            raise ClusterError(self._where, what, "see the logs of its head") from error


def anybody_gets(url: str, timeout: httpx.Timeout) -> httpx.Response:
    """Without a token. Certificates are read only for https: that takes 50 ms, and MBs of each thread."""
    return httpx.get(url, timeout=timeout, verify=url.startswith("https:"))


def own_code() -> dict[str, Any]:
    """Of a runtime_env: this project's packages, as they are here."""
    checkout = Path(rnalearner.__file__).parents[1]
    others = [f"/{glob.escape(path.name)}" for path in checkout.iterdir() if path.name not in _SHIPPED]
    # No job shows a page.
    unused = ["**/__pycache__", "service/pages/static"]
    return {"working_dir": str(checkout), "excludes": [*others, *unused]}


class _RefusedError(Exception):
    """An answer that is not 200."""

    def __init__(self, status: int, text: str) -> None:
        lines = text.strip().splitlines() or [""]
        super().__init__(f"{status} ({lines[-1][:200]})")
        self.status = status


class _Client(JobSubmissionClient):
    """Ray's client, which waits for ever and names no status, with timeouts and statuses."""

    def __init__(self, address: str) -> None:
        # Not JobSubmissionClient's own: there RAY_ADDRESS wins over the address, and it asks at once.
        super(JobSubmissionClient, self).__init__(address)
        for name in ("ray", "ray.dashboard.modules.dashboard_sdk"):  # they tell of every file that travels
            logging.getLogger(name).setLevel(logging.ERROR)
        self._client_ray_version = ray.__version__

    def all_nodes(self) -> list[dict[str, Any]]:
        answer = self._do_request("GET", "/api/v0/nodes?detail=true")
        if answer.status_code != httpx.codes.OK:
            self._raise_error(answer)
        return list(answer.json()["data"]["result"]["result"])

    def _do_request(self, method: str, endpoint: str, **request: Any) -> Any:
        return super()._do_request(method, endpoint, timeout=(CONNECT_S, ANSWER_S), **request)

    def _raise_error(self, r: Any) -> None:
        raise _RefusedError(r.status_code, r.text)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
