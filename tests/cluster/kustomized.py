"""What Kustomize makes of a folder, as far as ours need it: resources, and JSON patches with a target."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "cluster" / "deploy"
FOLDERS = ("base", "pretraining", "overlays/small", "overlays/large")

Document = dict[str, Any]


def rendered(folder: Path) -> list[Document]:
    """All documents of a kustomization; an assertion fails where a file, a target or a path is missing."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert set(kustomization) <= {"apiVersion", "kind", "namespace", "resources", "patches"}
    documents: list[Document] = []
    for name in kustomization["resources"]:
        path = (folder / name).resolve()
        assert path.exists(), f"{folder}: {name} does not exist"
        documents += rendered(path) if path.is_dir() else list(yaml.safe_load_all(path.read_text()))
    for patch in kustomization.get("patches", []):
        found = [document for document in documents if _is(document, patch["target"])]
        assert len(found) == 1, f"{folder}: {patch['target']} is the target of {len(found)} documents"
        for operation in yaml.safe_load((folder / patch["path"]).read_text()):
            apply(found[0], **operation)
    return documents


def apply(document: Document, op: str, path: str, value: Any) -> None:
    """RFC 6902's test, replace, and add at the end of a list."""
    *way, last = path.strip("/").split("/")
    place: Any = document
    for step in way:
        place = place[int(step)] if isinstance(place, list) else place[step]
    if op == "add":
        assert isinstance(place, list)
        assert last == "-"
        place.append(value)
        return
    key = int(last) if isinstance(place, list) else last
    before = place[key]
    assert op in {"test", "replace"}
    if op == "test":
        assert before == value, path
    else:
        place[key] = value


def _is(document: Document, target: dict[str, str]) -> bool:
    group, _, version = document["apiVersion"].rpartition("/")
    own = {"group": group, "version": version, "kind": document["kind"], "name": document["metadata"]["name"]}
    return own == {"group": "", **target}


def everything() -> list[Document]:
    return [document for folder in FOLDERS for document in rendered(DEPLOY / "kubernetes" / folder)]


def pods(document: Document) -> Iterator[dict[str, Any]]:
    """The pod templates in a document."""
    spec = document.get("spec", {})
    if document["kind"] == "Deployment":
        yield spec["template"]
    elif document["kind"] == "RayCluster":
        yield spec["headGroupSpec"]["template"]
        yield from (group["template"] for group in spec["workerGroupSpecs"])
    elif document["kind"] == "RayJob":
        yield spec["submitterPodTemplate"]
