"""Instructions of each step of a check, counted by callgrind and held against what was written down.

Counts do not depend on how busy the machine is. Start and end of the program are in every count: what so many more
turns add is the step's alone.
"""

import json
import re
import subprocess
from pathlib import Path

from tools import BIN, need, run

STORED = Path(__file__).with_name("instructions.json")
FEW, MANY = 500, 2500
MAY_GROW = 1.10
# A thousand times the rules may not make finding one dear.
POLICIES, MAY_COST = ("policy of 10 rules", "policy of 10,000 rules"), 2.0


def count(turns, step):
    program = [BIN / "doorward-bench", "steps", str(turns), step]
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    said = run(valgrind + program, capture_output=True, text=True).stderr
    return int(re.search(r"Collected\s*:\s*(\d+)", said).group(1))


def measure(accept):
    need("valgrind", "valgrind")
    steps = run([BIN / "doorward-bench", "steps"], stdout=subprocess.PIPE, text=True).stdout.splitlines()
    stored = json.loads(STORED.read_text()) if STORED.exists() else {}
    counted, missed = {}, []
    print(f"{'instructions of':28} {'now':>8} {'stored':>8}")
    for step in steps:
        counted[step] = round((count(MANY, step) - count(FEW, step)) / (MANY - FEW))
        before = stored.get(step)
        print(f"{step:28} {counted[step]:8} {before if before is not None else '-':>8}")
        if not accept and (before is None or counted[step] > before * MAY_GROW):
            missed.append(f"{step}: {counted[step]} instructions where {before} were written down")
    few, many = (counted[policy] for policy in POLICIES)
    print(f"deciding among 10,000 rules takes {many / few:.2f} times as many as among 10, at most {MAY_COST} wanted")
    if many > few * MAY_COST:
        missed.append(f"{POLICIES[1]} costs {many / few:.1f} times {POLICIES[0]}, at most {MAY_COST} wanted")
    if accept:
        STORED.write_text(json.dumps(counted, indent=2) + "\n")
    return missed
