"""The container file, and how Ray starts on hosts by ssh and inside a Slurm allocation."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from tests.cluster.kustomized import DEPLOY

CONTAINERFILE = (DEPLOY / "container" / "Containerfile").read_text()
SLURM = DEPLOY / "slurm" / "rnalearner.sbatch"
CLOUDS = ("on-premise.yaml", "aws.yaml")

# What the script asks of a Slurm host, in so far as it needs it: `srun` runs its words here.
STANDINS = {
    "scontrol": "printf 'one\\ntwo\\n'",
    "hostname": "echo 127.0.0.1 10.0.0.1",
    "srun": 'while [ "${1#--}" != "$1" ]; do shift; done; exec "$@"',
    "ray": 'echo "$RAY_AUTH_MODE $*" >> "$SEEN/starts"; stat -c %a "$RAY_AUTH_TOKEN_PATH" >> "$SEEN/modes"\n'
    'echo $$ >> "$SEEN/pids"; exec sleep 60',
    "python": 'cat > "$SEEN/asked"; grep -c . "$SEEN/pids"',
    "rnalearner": 'echo "$*" > "$SEEN/verb"; eval "$VERB"',
}


def start(folder: Path, verb: str) -> subprocess.Popen[bytes]:
    """The script on stand-ins, whose `rnalearner` does as `verb` says."""
    programs = folder / "bin"
    programs.mkdir()
    for name, text in STANDINS.items():
        (programs / name).write_text(f"#!/usr/bin/env bash\n{text}\n")
        (programs / name).chmod(0o755)
    own = {"SLURM_JOB_ID": "4711", "SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_NODELIST": "one,two"}
    own |= {"PATH": f"{programs}:{os.environ['PATH']}", "SEEN": str(folder), "VERB": verb}
    return subprocess.Popen(["bash", SLURM, "run", "r.toml"], cwd=folder, env={**os.environ, **own})


def assert_nothing_is_left(folder: Path) -> None:
    assert not (folder / "rnalearner-4711" / "auth_token").exists()
    for pid in (folder / "pids").read_text().split():
        assert not Path("/proc", pid).exists()


def test_the_image_is_a_normal_users_and_takes_torch_from_one_pinned_place() -> None:
    users = re.findall(r"^USER (\S+)", CONTAINERFILE, re.M)
    assert users == ["1000:1000"]
    installs = re.findall(r"^RUN pip install (.*)$", CONTAINERFILE, re.M)
    assert len(installs) == 2
    assert all("--constraint constraints.txt" in line for line in installs)
    assert installs[0].endswith(" torch")
    assert "--no-deps" in installs[0]
    root = DEPLOY.parents[1]
    for line in re.findall(r"^COPY (.*)$", CONTAINERFILE, re.M):
        for source in line.split()[:-1]:
            assert (root / source).exists(), source
            assert f"!{source}" in (DEPLOY / "container" / "Containerfile.dockerignore").read_text().split()


@pytest.mark.parametrize("name", CLOUDS)
def test_rays_own_launcher_takes_its_files(name: str) -> None:
    config = yaml.safe_load((DEPLOY / "ray" / name).read_text())
    validate_config(prepare_config(config))


@pytest.mark.parametrize("name", CLOUDS)
def test_hosts_start_ray_with_a_token_and_a_dashboard_of_their_own(name: str) -> None:
    config = yaml.safe_load((DEPLOY / "ray" / name).read_text())
    for command in (*config["head_start_ray_commands"], *config["worker_start_ray_commands"]):
        assert "umask 077;" in command
        assert "RAY_AUTH_MODE=token" in command.split("ray start")[0]
        assert "RAY_enable_metrics_collection=0" in command.split("ray start")[0]
    assert "--dashboard-host=127.0.0.1" in config["head_start_ray_commands"][0]
    assert any("chmod 600 ~/.ray/auth_token" in command for command in config["setup_commands"])


def test_the_cloud_lets_in_ssh_from_one_address_alone() -> None:
    config = yaml.safe_load((DEPLOY / "ray" / "aws.yaml").read_text())
    (rule,) = config["provider"]["security_group"]["IpPermissions"]
    assert (rule["FromPort"], rule["ToPort"]) == (22, 22)
    assert [entry["CidrIp"].rpartition("/")[2] for entry in rule["IpRanges"]] == ["32"]


def test_no_file_holds_a_secret_or_ends_other_peoples_ray() -> None:
    for path in (path for path in DEPLOY.rglob("*") if path.is_file()):
        text = path.read_text()
        assert not re.search(r"[0-9a-f]{32}|AKIA[0-9A-Z]{16}|BEGIN [A-Z ]*PRIVATE KEY", text), path
        assert not re.search(r"\b(ray stop|pkill|killall)\b", text), path
        assert not re.search(r"(?i)\b(password|auth_token|token)\s*[:=]\s*[\"']?[\w-]{16,}", text), path


def test_the_slurm_script_is_shell_and_makes_its_token_before_it_starts_ray() -> None:
    subprocess.run(["bash", "-n", SLURM], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", SLURM], check=True)
    text = SLURM.read_text()
    assert text.index("umask 077") < text.index('> "$RAY_AUTH_TOKEN_PATH"') < text.index("ray start")
    assert text.index("export RAY_AUTH_MODE=token") < text.index("ray start")
    assert text.index("export RAY_enable_metrics_collection=0") < text.index("ray start")


def test_the_slurm_script_waits_for_all_nodes_runs_the_verb_and_ends_what_it_started(tmp_path: Path) -> None:
    assert start(tmp_path, "exit 3").wait(timeout=20) == 3
    assert (tmp_path / "modes").read_text().split() == ["600", "600"]
    starts = (tmp_path / "starts").read_text().splitlines()
    assert all(line.startswith("token start ") for line in starts)
    assert sorted("--head" in line for line in starts) == [False, True]
    assert sum("--address=127.0.0.1:27110" in line for line in starts) == 1
    assert (tmp_path / "verb").read_text() == "run r.toml --ray.address 127.0.0.1:27110\n"
    assert_nothing_is_left(tmp_path)


def test_a_slurm_job_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    job = start(tmp_path, "echo $$ >> $SEEN/pids; exec sleep 60")
    deadline = time.monotonic() + 20
    while not (tmp_path / "verb").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    job.send_signal(signal.SIGTERM)
    assert job.wait(timeout=20) == 143
    assert_nothing_is_left(tmp_path)
