"""What PyPI shows of the README."""

import re
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def release_readme() -> Callable[[str, str, str], str]:
    script = runpy.run_path(str(ROOT / "scripts" / "release_readme.py"))
    made: Callable[[str, str, str], str] = script["release_readme"]
    return made


def test_links_are_absolute_to_files_that_exist(release_readme: Callable[[str, str, str], str]) -> None:
    text = release_readme((ROOT / "README.md").read_text(encoding="utf-8"), "someone/some", "v1.2")
    targets = re.findall(r"\]\(([^)]*)\)", text)
    own = [target for target in targets if "someone/some" in target]
    assert [target for target in targets if not target.startswith("https://")] == []
    assert len(own) > 10
    for target in own:
        path = re.fullmatch(
            r"https://(?:github\.com/someone/some/blob|raw\.githubusercontent\.com/someone/some)/v1\.2/(.+)",
            target,
        )
        assert path is not None
        assert (ROOT / path[1].partition("#")[0]).is_file(), target
    assert "![" in text
    assert re.search(
        r"!\[[^\]]*\]\(https://raw\.githubusercontent\.com/someone/some/v1\.2/docs/images/", text
    )


def test_the_package_is_installed_from_pypi(release_readme: Callable[[str, str, str], str]) -> None:
    before = (ROOT / "README.md").read_text(encoding="utf-8")
    after = release_readme(before, "someone/some", "v1.2")
    assert "isn't on PyPI yet" in before
    assert "pip install ripfdn-cli\n" in after
    assert "isn't on PyPI yet" not in after


def test_a_readme_without_the_marks_is_refused(release_readme: Callable[[str, str, str], str]) -> None:
    with pytest.raises(ValueError, match="no installation"):
        release_readme("# ripfdn\n", "someone/some", "v1.2")
