"""Containers, Kubernetes and systemd: what is shipped is held against the tools of each, and against the service."""

import configparser
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from rag.settings import known_variables
from rag.telemetry import Metrics

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
TOOLS = Path(sys.executable).parent
DOCKERFILES = sorted((DEPLOY / "compose").glob("Dockerfile*"))
MANIFESTS = sorted(
    file for file in (DEPLOY / "kubernetes").glob("*.yaml") if not file.name.endswith(("ization.yaml", "-values.yaml"))
)
UNITS = sorted(DEPLOY.rglob("*.service"))
SERVICES_CONF = (DEPLOY / "nginx/conf.d/prefixrag-services.conf").read_text("utf-8")


def manifests() -> list[dict]:
    return [one for file in MANIFESTS for one in yaml.safe_load_all(file.read_text("utf-8"))]


def named(kind: str) -> dict[str, dict]:
    return {one["metadata"]["name"]: one for one in manifests() if one["kind"] == kind}


def pods() -> dict[str, dict]:
    """The pod templates, by the label that all selectors go by."""
    owners = [*named("StatefulSet").values(), *named("Deployment").values()]
    return {
        owner["spec"]["template"]["metadata"]["labels"]["app"]: owner["spec"]["template"]["spec"] for owner in owners
    }


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_dockerfiles_pass_their_linter_and_copy_what_there_is(file) -> None:
    checked = subprocess.run([TOOLS / "hadolint", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    copied = {
        word for line in re.findall(r"^COPY (.+) \S+$", file.read_text("utf-8"), re.MULTILINE) for word in line.split()
    }
    assert copied == let_in
    assert all((ROOT / path).exists() for path in copied)
    found = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"]["find"]
    assert {pattern.rstrip("*") for pattern in found["include"]} <= copied


def test_the_compose_file_fits_its_specification() -> None:
    file = DEPLOY / "compose/docker-compose.yml"
    command = [TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", file]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    compose = yaml.safe_load(file.read_text("utf-8"))
    services = compose["services"]
    assert {name: service.get("profiles") for name, service in services.items() if "profiles" in service} == {
        "rag-cpu": ["cpu"],
        "rag-gpu": ["gpu"],
    }
    for name, service in services.items():
        assert "healthcheck" in service or name.startswith("rag-"), name  # theirs stands in the image
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            kept = source in compose["volumes"] or source.startswith(("./secrets/", "/dev/null", "${"))
            # Dashboards and alert rules are found where they are shipped.
            assert kept or (file.parent / source).exists() or source.startswith(("../prometheus", "../grafana")), volume
    for name in ("rag-cpu", "rag-gpu"):
        build = services[name]["build"]
        assert (file.parent / build["context"] / build["dockerfile"]).is_file()
    rag, nginx = (services[name]["networks"]["inner"]["ipv4_address"] for name in ("rag-cpu", "nginx"))
    assert services["rag-cpu"]["environment"]["FORWARDED_ALLOW_IPS"] == nginx
    ours = (file.parent / "prefixrag-services.conf").read_text("utf-8")
    assert ours == SERVICES_CONF.replace("127.0.0.1:8000", f"{rag}:8000")


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.name)
def test_manifests_fit_the_schemas_of_kubernetes(file) -> None:
    for manifest in yaml.safe_load_all(file.read_text("utf-8")):
        kubernetes_validate.validate(manifest, "1.34", strict=True)


def test_the_schemas_refuse_what_is_wrong() -> None:
    manifest = named("StatefulSet")["prefixrag"]
    manifest["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, "1.34", strict=True)


def test_kustomize_names_every_file() -> None:
    folder = DEPLOY / "kubernetes"
    lists = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))
    assert {*lists["resources"]} == {file.name for file in MANIFESTS} | {"../nginx"}
    nginx = yaml.safe_load((DEPLOY / "nginx/kustomization.yaml").read_text("utf-8"))
    listed = {name for one in nginx["configMapGenerator"] for name in one["files"]}
    shipped = {str(file.relative_to(DEPLOY / "nginx")) for file in (DEPLOY / "nginx").rglob("*.conf")}
    assert listed == shipped - {"conf.d/prefixrag-services.conf"}  # Kubernetes has its own
    if kubectl := shutil.which("kubectl"):
        built = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=True)
        for manifest in yaml.safe_load_all(built.stdout):
            kubernetes_validate.validate(manifest, "1.34", strict=True)


def test_selectors_budgets_policies_and_scaling_name_what_there_is() -> None:
    apps = pods()
    assert set(apps) == {"prefixrag", "vllm", "nginx", "redis"}
    for kind in ("PodDisruptionBudget", "NetworkPolicy"):
        for name, one in named(kind).items():
            selected = (one["spec"].get("selector") or one["spec"].get("podSelector")).get("matchLabels", {})
            assert selected.get("app", "") in {*apps, ""}, name
            assert selected or name == "default-deny"
    for name, service in named("Service").items():
        container = apps[service["spec"]["selector"]["app"]]["containers"][0]
        offered = {port["containerPort"] for port in container["ports"]} | {port["name"] for port in container["ports"]}
        for port in service["spec"]["ports"]:
            assert port.get("targetPort", port["port"]) in offered, name
    shown = Metrics().render().decode()
    scaling = named("HorizontalPodAutoscaler")["prefixrag"]["spec"]
    metrics = [metric["pods"]["metric"]["name"] for metric in scaling["metrics"]]
    assert metrics == ["rag_queued_requests", "rag_in_flight_requests"]
    adapter = yaml.safe_load((DEPLOY / "kubernetes/prometheus-adapter-values.yaml").read_text("utf-8"))
    pattern = re.search(r'__name__=~"([^"]+)"', adapter["rules"]["custom"][0]["seriesQuery"])[1]
    for metric in metrics:
        assert f"# TYPE {metric} gauge" in shown
        assert re.fullmatch(pattern, metric)


def test_pods_are_probed_drained_and_locked_up() -> None:
    for name, pod in pods().items():
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False  # VLLM_PORT would be the address of the service `vllm`
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            assert container["securityContext"]["allowPrivilegeEscalation"] is False, name
            assert container["securityContext"]["capabilities"]["drop"] == ["ALL"], name
        for container in pod["containers"]:
            assert {"readinessProbe", "livenessProbe", "resources"} <= container.keys(), name
    service = pods()["prefixrag"]["containers"][0]
    assert service["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert service["livenessProbe"]["httpGet"]["path"] == "/health"  # a service without an engine is not restarted
    waits = int(service["lifecycle"]["preStop"]["exec"]["command"][-1])
    assert waits + 10 < pods()["prefixrag"]["terminationGracePeriodSeconds"]
    engines = {item["name"]: json.loads(item["value"]) for item in service["env"] if item["value"].startswith("[")}
    replicas = named("StatefulSet")["vllm"]["spec"]["replicas"]
    ports = {"RAG_ENGINE__URLS": 8000, "RAG_ENGINE__KV_EVENTS": 5557, "RAG_ENGINE__KV_REPLAY": 5558}
    for name, urls in engines.items():
        hosts = [f"vllm-{number}.vllm:{ports[name]}" for number in range(replicas)]
        assert [url.split("//")[1] for url in urls] == hosts
    events = next(word for word in pods()["vllm"]["containers"][0]["args"] if word.startswith("--kv-events-config="))
    assert json.loads(events.partition("=")[2])["endpoint"] == "tcp://*:5557"


def test_every_setting_that_is_named_exists() -> None:
    files = [file for file in DEPLOY.rglob("*") if file.is_file()]
    found = {name: file for file in files for name in re.findall(r"\bRAG_[A-Z]+__[A-Z_]+\b", file.read_text("utf-8"))}
    assert len(found) > 5
    assert {name: file for name, file in found.items() if name not in known_variables()} == {}


def test_nginx_in_kubernetes_differs_in_where_services_are_alone() -> None:
    ours = (DEPLOY / "kubernetes/prefixrag-services.conf").read_text("utf-8")

    def rest(text: str) -> list[str]:
        return [line for line in text.splitlines() if not re.match(r"#|resolver |    (# )?server |    zone ", line)]

    assert rest(ours) == rest(SERVICES_CONF)
    hosts = set(re.findall(r"server (\S+):8000", ours))
    assert hosts == {f"{pod}prefixrag.prefixrag.svc.cluster.local" for pod in ("", "prefixrag-0.")}


class _Unit(configparser.RawConfigParser):
    def optionxform(self, optionstr: str) -> str:
        return optionstr


@pytest.mark.parametrize("file", UNITS, ids=lambda file: file.name)
def test_units_are_whole_and_locked_up(file) -> None:
    unit = _Unit(strict=False, delimiters=("=",), comment_prefixes=("#",))
    unit.read_string(file.read_text("utf-8").replace("\\\n", ""))
    assert unit.sections() == ["Unit", "Service", "Install"]
    service = unit["Service"]
    assert service["Restart"] == "on-failure"
    assert service["NoNewPrivileges"] == "yes"
    assert "User" in service or "DynamicUser" in service
    assert service["ExecStart"].startswith("/")
    if file.name == "prefixrag@.service":
        assert service["ProtectSystem"] == "strict"
        assert service["StateDirectory"] == "prefixrag/%i"
        assert service["KillMode"] == "mixed"  # SIGTERM for the service alone: it drains, then ends its engine
        assert int(service["TimeoutStopSec"]) > 10
    if analyze := shutil.which("systemd-analyze"):
        done = subprocess.run([analyze, "verify", file], capture_output=True, text=True, check=False)
        lines = [line for line in done.stderr.splitlines() if file.stem in line]
        assert not [line for line in lines if "is not executable: No such file" not in line]
