#!/usr/bin/env python3
"""chart_readme.py [--check]: makes deployment/helm/doorward/README.md of Chart.yaml and values.yaml, or says that it is out of date.

A value is in the table when a comment that begins with `# --` stands before it.
"""

import re
import sys
from pathlib import Path

CHART = Path(__file__).resolve().parents[2] / "deployment/helm/doorward"

HEAD = """# The chart `doorward`

A login gateway for services behind Traefik: Doorward {version}, with Traefik's middleware and route to it. How to install it, step by step, and what
to look out for: [docs/kubernetes.md](../../../docs/kubernetes.md).

```sh
helm install doorward deployment/helm/doorward --namespace doorward --create-namespace --values my-values.yaml
helm test doorward --namespace doorward
```

A misspelt value is refused ([values.schema.json](values.schema.json)), and so is what would not work or would not be safe: several replicas
without Redis, a middleware that lets an identity header through.

## Values

| value | default | meaning |
| --- | --- | --- |
"""


def rows(text):
    """(path, default, meaning) of each value that is described."""
    path, meaning, found = [], None, []
    lines = text.splitlines()
    for at, line in enumerate(lines):
        stripped = line.strip()
        if stripped.startswith("# -- "):
            meaning = stripped[5:]
            continue
        key = re.match(r"( *)([A-Za-z0-9_]+):(?: (.*))?$", line)
        if not key or stripped.startswith("#"):
            continue
        depth = len(key[1]) // 2
        path = path[:depth] + [key[2]]
        if meaning is not None:
            default = key[3] if key[3] is not None else block(lines, at + 1, len(key[1]))
            found.append((".".join(path), default.split("  #")[0].strip(), meaning))
            meaning = None
    return found


def block(lines, at, indent):
    """What stands below a key, in one line: a list's entries, or a map's lines."""
    below = []
    for line in lines[at:]:
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            break
        if line.strip() and not line.strip().startswith("#"):
            below.append(line.strip())
    entries = all(line.startswith("- ") for line in below)
    return f"[{', '.join(line[2:] for line in below)}]" if entries else f"{{{', '.join(below)}}}"


def cell(text):
    return text.replace("|", "\\|")


def readme():
    version = re.search(r"^appVersion: (\S+)", (CHART / "Chart.yaml").read_text(), re.M)[1]
    table = [f"| `{path}` | `{cell(default)}` | {cell(meaning)} |\n" for path, default, meaning in rows((CHART / "values.yaml").read_text())]
    return HEAD.format(version=version) + "".join(table)


if __name__ == "__main__":
    target = CHART / "README.md"
    if sys.argv[1:] == ["--check"]:
        if not target.exists() or target.read_text() != readme():
            sys.exit(f"{target.name} is not that of values.yaml: run tests/tools/chart_readme.py")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        target.write_text(readme())
