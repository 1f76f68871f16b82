"""The changelog's sections as a release takes them: changelog.py ROOT prints a line for each check."""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(sys.argv[1])
CHANGELOG = """\
# Changes

## [Unreleased]

### Added

- Something of tomorrow.

## [1.2.0] - 2027-02-03

### Added

- A thing, and how it is used:

  ```md
  ## [1.1.9] - 2027-01-01
  ```

### Fixed

- Another; see [1.1.0].

## [1.1.0] - 2027-01-31

- The one before.

## [1.0.1] - 2027-01-15

### Added

## [1.0.0]

- Without a date.

## [0.9.0] - 2026-12-01

- Twice.

## [0.9.0] - 2026-12-02

- Twice.

[1.2.0]: https://example.com/compare/v1.1.0...v1.2.0
[1.1.0]: https://example.com/releases/v1.1.0
"""
failed = False


def check(what: str, fine: bool, shown: object = "") -> None:
    global failed
    failed = failed or not fine
    print(f"ok   {what}" if fine else f"FAIL {what}: {shown!r}")


def changelog(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ROOT / ".github/changelog", *arguments], capture_output=True, text=True, check=False)


with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "CHANGELOG.md"
    file.write_text(CHANGELOG, encoding="utf-8")

    one = changelog("1.2.0", str(file))
    expected = CHANGELOG.split("2027-02-03\n\n")[1].split("\n\n## [1.1.0]")[0] + "\n"
    check("a version's section is printed to the letter, headings in code included", one.stdout == expected, one)
    check("a tag names the same section", changelog("v1.2.0", str(file)).stdout == expected)
    last = changelog("1.1.0", str(file))
    check("the next version's section does not come with it", last.stdout == "- The one before.\n", last)
    refused = {
        "3.0.0": "no section",
        "1.1.9": "no section",
        "1.2": "no section",
        "1.0.1": "says nothing",
        "1.0.0": "no date",
        "Unreleased": "no date",
        "0.9.0": "2 sections",
    }
    for version, why in refused.items():
        answer = changelog(version, str(file))
        told = answer.returncode == 1 and why in answer.stderr and answer.stdout == ""
        check(f"{version} is refused: {why}", told, answer)
    gone = changelog("1.2.0", str(file) + ".gone")
    check("a file that is not there is a failure", gone.returncode == 1 and "CHANGELOG.md.gone" in gone.stderr, gone)
    check("without a version it says how it is used", changelog().returncode == 2)
    # As it will be when the present changes are released.
    own = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("## [Unreleased]", "## [99.0.0] - 2099-01-01", 1)
    file.write_text(own, encoding="utf-8")
    present = changelog("99.0.0", str(file))
    check("the present changes make a release's text", present.returncode == 0 and "### Added" in present.stdout, present)

sys.exit(failed)
