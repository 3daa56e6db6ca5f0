"""Kubernetes' files in cluster/deploy, and the rules that they must keep."""

import re
from typing import Any

import pytest

from tests.cluster.kustomized import DEPLOY, FOLDERS, Document, everything, pods, rendered

CONTAINERFILE = (DEPLOY / "container" / "Containerfile").read_text()
PINNED = re.compile(r"^[^\s:@]+(/[^\s:@]+)*:(?!latest$)[\w.-]*\d[\w.-]*$")


@pytest.fixture(scope="module", params=FOLDERS)
def documents(request: pytest.FixtureRequest) -> list[Document]:
    return rendered(DEPLOY / "kubernetes" / request.param)


def environment(container: dict[str, Any]) -> dict[str, Any]:
    return {entry["name"]: entry for entry in container["env"]}


def test_every_document_lies_in_the_one_namespace(documents: list[Document]) -> None:
    for document in documents:
        if document["kind"] != "Namespace":
            assert document["metadata"]["namespace"] == "rnalearner"


def test_every_container_is_a_normal_users_without_capabilities(documents: list[Document]) -> None:
    for document in documents:
        for pod in pods(document):
            spec = pod["spec"]
            assert spec["securityContext"]["runAsNonRoot"] is True
            assert spec["securityContext"]["runAsUser"] == 1000
            assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
            assert not any("hostPath" in volume for volume in spec.get("volumes", []))
            for container in spec["containers"]:
                context = container["securityContext"]
                assert context["allowPrivilegeEscalation"] is False
                assert context["capabilities"] == {"drop": ["ALL"]}
                assert "limits" in container["resources"]


def test_the_gateway_is_one_process_that_writes_to_its_volumes_only() -> None:
    found = rendered(DEPLOY / "kubernetes" / "base")
    (gateway,) = (one for one in found if one["kind"] == "Deployment")
    assert (gateway["spec"]["replicas"], gateway["spec"]["strategy"]) == (1, {"type": "Recreate"})
    (container,) = gateway["spec"]["template"]["spec"]["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    claims = {one["metadata"]["name"] for one in found if one["kind"] == "PersistentVolumeClaim"}
    for pod in (pod for document in found for pod in pods(document)):
        mounted = [volume["persistentVolumeClaim"]["claimName"] for volume in pod["spec"]["volumes"]
                   if "persistentVolumeClaim" in volume]  # fmt: skip
        assert "rnalearner-shared" in mounted
        assert set(mounted) <= claims


def test_the_gateways_probes_and_settings_are_ones_that_it_has() -> None:
    from service.routes.health import router
    from service.settings import Settings

    (gateway,) = (
        one for one in rendered(DEPLOY / "kubernetes" / "overlays/large") if one["kind"] == "Deployment"
    )
    (container,) = gateway["spec"]["template"]["spec"]["containers"]
    routes = {route.path for route in router.routes}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["path"] in routes
    given = {name.removeprefix("RNALEARNER_").lower(): entry["value"]
             for name, entry in environment(container).items() if name.startswith("RNALEARNER_")}  # fmt: skip
    assert set(given) <= set(Settings.model_fields)
    settings = Settings.model_validate(given)
    assert settings.url == "sqlite:////var/lib/rnalearner/gateway.db"
    assert container["ports"] == [{"name": "http", "containerPort": settings.port}]


def test_every_pod_gets_the_token_from_the_secret_and_asks_for_it(documents: list[Document]) -> None:
    for document in documents:
        if document["kind"] == "RayCluster":
            assert document["spec"]["authOptions"] == {"mode": "token", "secretName": "rnalearner-ray-token"}
            assert document["spec"]["autoscalerOptions"]["env"] == environment_of_a_token()
        for pod in pods(document):
            for container in pod["spec"]["containers"]:
                if document["kind"] != "Deployment":
                    assert container["env"] == environment_of_a_token()
                    continue
                assert environment(container)["RAY_AUTH_MODE"]["value"] == "token"
                (mount,) = (one for one in container["volumeMounts"] if one["name"] == "token")
                path = environment(container)["RAY_AUTH_TOKEN_PATH"]["value"]
                assert path == f"{mount['mountPath']}/auth_token"


def environment_of_a_token() -> list[dict[str, Any]]:
    key = {"name": "rnalearner-ray-token", "key": "auth_token"}
    return [
        {"name": "RAY_AUTH_MODE", "value": "token"},
        {"name": "RAY_AUTH_TOKEN", "valueFrom": {"secretKeyRef": key}},
    ]


def test_gpu_workers_scale_from_zero(documents: list[Document]) -> None:
    for document in documents:
        if document["kind"] == "RayCluster":
            assert document["spec"]["enableInTreeAutoscaling"] is True
            assert document["spec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
            (group,) = (one for one in document["spec"]["workerGroupSpecs"] if one["groupName"] == "gpu")
            (container,) = group["template"]["spec"]["containers"]
            assert (group["replicas"], group["minReplicas"]) == (0, 0)
            assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
            assert container["image"].endswith("-cuda")


def test_policies_deny_by_default_and_name_only_roles_that_pods_have() -> None:
    found = everything()
    policies = {one["metadata"]["name"]: one["spec"] for one in found if one["kind"] == "NetworkPolicy"}
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    roles = {pod["metadata"]["labels"]["rnalearner/role"] for document in found for pod in pods(document)}
    assert roles == {"head", "worker", "gateway", "submitter"}
    selected = {name: selected_roles(spec["podSelector"]) for name, spec in policies.items()}
    assert set().union(*selected.values()) == roles
    inwards = {role for name, spec in policies.items() if spec.get("ingress") for role in selected[name]}
    assert "submitter" not in inwards
    for spec in policies.values():
        for rule in spec.get("ingress", []):
            assert rule["from"], "a rule without `from` lets everybody in"
            assert all(set(peer) & {"podSelector", "namespaceSelector"} for peer in rule["from"])


def selected_roles(selector: dict[str, Any]) -> set[str]:
    roles = {selector["matchLabels"]["rnalearner/role"]} if "matchLabels" in selector else set()
    for expression in selector.get("matchExpressions", []):
        assert (expression["key"], expression["operator"]) == ("rnalearner/role", "In")
        roles |= set(expression["values"])
    return roles


def test_images_are_pinned(documents: list[Document]) -> None:
    bases = re.findall(r"^FROM (\S+)", CONTAINERFILE, re.M)
    images = [
        one["image"] for document in documents for pod in pods(document) for one in pod["spec"]["containers"]
    ]
    assert bases
    for image in (*bases, *images):
        assert PINNED.match(image), image
    assert not PINNED.match("rnalearner:latest")
    assert not PINNED.match("rnalearner")


def test_the_token_is_made_by_hand_and_in_no_file() -> None:
    assert not [one for one in everything() if one["kind"] == "Secret"]
