"""The steps of a check timed by criterion, and how much dearer a thousand times the rules are."""

import json
import os
from pathlib import Path

from instructions import MAY_COST, POLICIES
from tools import ROOT, run

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def median(step):
    # The folder's name, by criterion: what no file system takes is an underscore.
    name = step.replace("/", "_")
    return json.loads((TARGET / "criterion" / name / "new" / "estimates.json").read_text())["median"]["point_estimate"]


def measure(only=None):
    bench = ["cargo", "bench", "--quiet", "-p", "doorward-bench", "--bench", "parts", "--", "--noplot"]
    run(bench + ([only] if only else []))
    few, many = (median(policy) for policy in POLICIES)
    ratio = many / few
    print(f"deciding among 10,000 rules: {many:.0f} ns; among 10: {few:.0f} ns; ratio {ratio:.2f}, at most {MAY_COST} wanted")
    return [f"{POLICIES[1]} takes {ratio:.2f} times {POLICIES[0]}"] if ratio > MAY_COST else []
