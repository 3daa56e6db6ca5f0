"""Nothing here runs what it reads: no pickle in any dress, no eval; and dependencies are new enough."""

import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("rnalearner", "cluster", "service", "jobs")
MODULES = frozenset({"pickle", "_pickle", "cPickle", "joblib", "dill", "cloudpickle", "marshal", "shelve"})
BUILTINS, METHODS = frozenset({"eval", "exec", "__import__"}), frozenset({"read_pickle", "to_pickle"})
FLOORS = {
    "ray": "2.59.1",  # CVE-2025-62593, CVE-2026-27482, -41486, -57516; aiohttp's of its notes
    "starlette": "1.3.1",  # CVE-2025-54121, -62727, CVE-2026-48710, PYSEC-2026-249
    "python-multipart": "0.0.27",  # CVE-2024-24762, -53981, CVE-2026-24486, -40347, -42561
    "pyarrow": "14.0.1",  # CVE-2023-47248
    "torch": "2.10",  # CVE-2025-32434, CVE-2026-24747
    "jinja2": "3.1.6",
}
"""Below these are known faults that reach us."""


def called(node: ast.Call) -> str:
    """The last name of what is called, and of what it is called on: `torch.load`, `eval`."""
    if isinstance(node.func, ast.Name):
        return node.func.id
    if isinstance(node.func, ast.Attribute):
        whose = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
        return f"{whose}.{node.func.attr}"
    return ""


def faults(source: str) -> Iterator[str]:
    """What in a module would run what it reads."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        yield from (f"import {name}" for name in names if name.partition(".")[0] in MODULES)
        if isinstance(node, ast.Call):
            name = called(node)
            told = {keyword.arg: getattr(keyword.value, "value", "?") for keyword in node.keywords}
            if name in BUILTINS or name.rpartition(".")[2] in METHODS:
                yield name
            if name == "torch.load" or (told.get("allow_pickle", False) is not False):
                yield f"{name}({told})"
            if name == "yaml.load" or told.get("shell", False) is not False:
                yield f"{name}({told})"


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "import joblib.numpy_pickle as fine",
        "from cloudpickle import loads",
        "torch.load(path, weights_only=True)",
        "numpy.load(path, allow_pickle=True)",
        "numpy.load(path, allow_pickle=asked)",
        "pd.read_pickle(path)",
        "frame.to_pickle(path)",
        "eval(text)",
        "exec(compile(text, '', 'exec'))",
        "subprocess.run(text, shell=True)",
    ],
)
def test_what_would_run_what_it_reads_is_found(line: str) -> None:
    assert list(faults(f"def f():\n    {line}\n"))


def test_no_module_runs_what_it_reads() -> None:
    modules = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    assert len(modules) > 200
    found = {
        str(path.relative_to(ROOT)): what for path in modules if (what := list(faults(path.read_text())))
    }
    assert found == {}


def test_ruffs_rules_of_bandit_find_nothing() -> None:
    """S is bandit's set; what is left out is left out in words beside it."""
    words = [sys.executable, "-m", "ruff", "check", "--select", "S", "--output-format", "json", *PACKAGES]
    told = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert json.loads(told.stdout) == []


def pinned() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text().split()
    pairs = (line.split("==") for line in lines)
    return {name.lower().replace("_", "-"): Version(version) for name, version in pairs}


def test_no_dependency_is_older_than_the_faults_that_were_mended_in_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = {
        requirement.name.lower(): requirement.specifier
        for requirement in map(Requirement, project["dependencies"])
    }
    for name, floor in FLOORS.items():
        assert pinned()[name] >= Version(floor), name
        assert not asked[name].contains(str(just_below(Version(floor)))), name


def just_below(version: Version) -> Version:
    """One less in its last place that is not 0: 1.3.1 -> 1.3.0, 2.10 -> 2.9."""
    places = list(version.release)
    last = max(place for place, number in enumerate(places) if number)
    return Version(".".join(map(str, [*places[:last], places[last] - 1])))


def audit(folder: Path, requirements: str) -> dict[str, list[str]]:
    """Package -> known faults; skips where nobody could be asked."""
    listed = folder / "requirements.txt"
    listed.write_text(requirements)
    words = [sys.executable, "-m", "pip_audit", "-r", str(listed), "--no-deps", "--disable-pip"]
    words += ["--vulnerability-service", "pypi", "--format", "json", "--progress-spinner", "off"]
    told = subprocess.run(words, capture_output=True, text=True)
    if not told.stdout.startswith("{"):
        last = (told.stderr.strip().splitlines() or ["it said nothing"])[-1]
        pytest.skip(f"pip-audit found no service that knows of faults: {last[:200]}")
    answers = json.loads(told.stdout)["dependencies"]
    known = [answer for answer in answers if "skip_reason" not in answer]
    if not known:
        pytest.skip(f"pip-audit's service answers for no package: {answers[0]['skip_reason']}")
    return {answer["name"]: [fault["id"] for fault in answer["vulns"]] for answer in known}


@pytest.mark.slow
def test_no_known_fault_is_in_what_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("pip_audit", reason="needs pip-audit, of the extra dev")
    # First of one alone: where the service is not reached, nothing else needs to be asked.
    audit(tmp_path, f"starlette=={pinned()['starlette']}\n")
    found = audit(tmp_path, (ROOT / "constraints.txt").read_text())
    assert len(found) > 100
    assert {name: ids for name, ids in found.items() if ids} == {}
