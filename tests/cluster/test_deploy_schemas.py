"""Kubernetes' files in cluster/deploy, held against the schemas that Kubernetes and KubeRay publish."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from tests.cluster.kustomized import DEPLOY, FOLDERS, Document, apply, pods, rendered

SCHEMAS = Path(__file__).parent / "schemas"
KUBERNETES = ("1.31", "1.37")


@pytest.fixture(scope="module", params=FOLDERS)
def documents(request: pytest.FixtureRequest) -> list[Document]:
    return rendered(DEPLOY / "kubernetes" / request.param)


def closed(schema: Any) -> Any:
    """As the API server reads it: a field that the CRD does not know would be dropped unseen."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    shut = {key: closed(value) for key, value in schema.items()}
    if isinstance(shut.get("properties"), dict) and "type" in shut:
        shut.setdefault("additionalProperties", False)
    return shut


def crd(kind: str) -> Draft202012Validator:
    schema = yaml.safe_load((SCHEMAS / f"ray.io_{kind.lower()}s.yaml").read_text())
    shut = closed(schema)
    shut["properties"]["metadata"] = {"type": "object"}
    return Draft202012Validator(shut)


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_own_schemas_take_every_document(documents: list[Document], version: str) -> None:
    for document in documents:
        if not document["apiVersion"].startswith("ray.io/"):
            kubernetes_validate.validate(document, version, strict=True)
        for pod in pods(document):
            whole = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "x"}, "template": pod}
            kubernetes_validate.validate(whole, version, strict=True)


def test_a_misspelt_field_of_a_pod_is_found() -> None:
    pod = deepcopy(next(pods(rendered(DEPLOY / "kubernetes" / "pretraining")[0])))
    pod["spec"]["containers"][0]["securityContext"]["runAsNonRot"] = True
    whole = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "x"}, "template": pod}
    with pytest.raises(kubernetes_validate.ValidationError, match="runAsNonRot"):
        kubernetes_validate.validate(whole, KUBERNETES[-1], strict=True)


def test_kuberays_schemas_take_its_documents(documents: list[Document]) -> None:
    for document in documents:
        if document["apiVersion"] == "ray.io/v1":
            crd(document["kind"]).validate(document)


def test_a_misspelt_field_of_a_cluster_is_found() -> None:
    (cluster,) = (one for one in rendered(DEPLOY / "kubernetes" / "base") if one["kind"] == "RayCluster")
    cluster["spec"]["authOption"] = cluster["spec"].pop("authOptions")
    with pytest.raises(ValidationError, match="authOption"):
        crd("RayCluster").validate(cluster)


def test_a_patch_of_what_is_not_there_fails() -> None:
    with pytest.raises(KeyError):
        apply({"spec": {}}, "replace", "/spec/replicas", 2)


def test_overlays_change_the_sizes_that_they_promise() -> None:
    most = {}
    for folder in ("overlays/small", "overlays/large"):
        found = rendered(DEPLOY / "kubernetes" / folder)
        (cluster,) = (one for one in found if one["kind"] == "RayCluster")
        most[folder] = {
            group["groupName"]: group["maxReplicas"] for group in cluster["spec"]["workerGroupSpecs"]
        }
    assert most == {"overlays/small": {"cpu": 1, "gpu": 1}, "overlays/large": {"cpu": 16, "gpu": 8}}
