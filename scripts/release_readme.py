"""Turn the README of a clone into that of a release: PyPI shows it, and the package is there to be installed.

    python scripts/release_readme.py OWNER/NAME v0.2.0

Pictures and links get absolute addresses, and what stands between the marks of the installation becomes
`pip install`. Raises ValueError where a mark is missing, so that no release says otherwise.
"""

import argparse
import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
START, STOP = "<!-- install: as long as it isn't published -->\n", "<!-- end of install -->\n"
PUBLISHED = """With Python 3.11 or later:

```sh
python3 -m venv .venv && .venv/bin/python -m pip install ripfdn-cli
```
"""
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?://|#)([^)]+)\)")


def release_readme(text: str, repository: str, tag: str) -> str:
    """The README `text` for the release `tag` of `repository` (owner/name) on GitHub."""
    before, start, rest = text.partition(START)
    _, stop, after = rest.partition(STOP)
    if not start or not stop:
        raise ValueError(f"the README has no installation between {START.strip()} and {STOP.strip()}")
    return _LINK.sub(lambda link: _absolute(link, repository, tag), before + PUBLISHED + after)


def _absolute(link: re.Match[str], repository: str, tag: str) -> str:
    is_picture, text, path = link.groups()
    place = (
        f"https://raw.githubusercontent.com/{repository}/{tag}"
        if is_picture
        else f"https://github.com/{repository}/blob/{tag}"
    )
    return f"{is_picture}[{text}]({place}/{path})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("repository", help="OWNER/NAME on GitHub")
    parser.add_argument("tag")
    arguments = parser.parse_args()
    text = README.read_text(encoding="utf-8")
    README.write_text(release_readme(text, arguments.repository, arguments.tag), encoding="utf-8")


if __name__ == "__main__":
    main()
