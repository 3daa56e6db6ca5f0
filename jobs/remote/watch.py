"""A job's events as bars and lines, until it has ended."""

from typing import TYPE_CHECKING, Any

from jobs.progress import shown_progress

if TYPE_CHECKING:
    from service.client import GatewayClient

EXIT = {"SUCCEEDED": 0, "STOPPED": 130}


def watch(client: "GatewayClient", job: str) -> dict[str, Any]:
    """Draw until the job has ended; returns the job."""
    with shown_progress() as progress:
        for event in client.events(job):
            data = event["data"]
            if event["kind"] == "progress":
                progress(data["label"], data["done"], data["total"], data.get("note", ""))
            elif event["kind"] in ("queued", "submitted", "started", "retry", "lost", "cancel"):
                progress(event["kind"], 1, 1)
    return client.get(f"/v1/jobs/{job}")


def exit_code(job: dict[str, Any]) -> int:
    """0, or what the same command would have ended with here: 3 for the user's fault, 1 for ours."""
    return EXIT.get(job["status"], 3 if job["cause"] == "user" else 1)


def ended_line(job: dict[str, Any]) -> str:
    error = job["error"]
    told = f" {error['where']}: {error['what']}; {error['remedy']}." if error else ""
    return f"{job['kind']} {job['id']}: {job['status']}.{told}"
