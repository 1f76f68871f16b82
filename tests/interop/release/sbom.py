"""The bill of materials against what cargo links: sbom.py ROOT SBOM prints a line for each check."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(sys.argv[1])
SBOM = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
failed = False


def check(what: str, fine: bool, shown: object = "") -> None:
    global failed
    failed = failed or not fine
    print(f"ok   {what}" if fine else f"FAIL {what}: {shown}")


def tree(*arguments: str) -> set[str]:
    command = ["cargo", "tree", "--locked", "--package", "doorward", "--prefix", "none", "--format", "{p}", *arguments]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    # `name v1.2.3`, and what is said behind it: (proc-macro), (*), a path.
    return {"@".join(line.split(" ")[:2]).replace("@v", "@") for line in lines if line}


about = SBOM["metadata"]["component"]
check("it is CycloneDX, about this program", (SBOM["bomFormat"], about["name"]) == ("CycloneDX", "doorward"), about["name"])
listed = {f"{part['name']}@{part['version']}" for part in SBOM["components"]}
linked = tree("--edges", "normal") - {f"doorward@{about['version']}"}
check(f"everything that is linked is in it ({len(linked)} crates)", len(linked) > 200 and linked <= listed, linked - listed)
tests = tree("--edges", "dev", "--depth", "1") - linked - tree("--edges", "normal,build") - {f"doorward@{about['version']}"}
check("what only the tests use is not", len(tests) > 1 and not tests & listed, tests & listed)
crates = [part for part in SBOM["components"] if part.get("purl", "").startswith("pkg:cargo/")]
check("each has its package address", len(crates) == len(SBOM["components"]), len(crates))
unlicensed = [part["name"] for part in crates if not part.get("licenses")]
check("and its licence", not unlicensed, unlicensed)
sys.exit(failed)
