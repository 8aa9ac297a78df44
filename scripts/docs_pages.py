"""A hook of mkdocs: pages of the site that lie elsewhere in the repository."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
ELSEWHERE = {
    "weights/README.md": "weights.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
"""A file of the repository → the page it becomes."""
INSTALLATION = "<!-- the README's -->"
"""Stands where a page shows the README's section, so that it is written once."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, with links as they are in the site."""
    for source, page in ELSEWHERE.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(
            File.generated(config, page, content=text.replace("](docs/", "](").replace("](../docs/", "]("))
        )
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to those files, from pages in docs/, as links to their pages; and the README's installation."""
    if INSTALLATION in markdown:
        markdown = markdown.replace(INSTALLATION, _installation())
    for source, target in ELSEWHERE.items():
        markdown = markdown.replace(f"](../{source}", f"]({target}").replace(f"]({source}", f"]({target}")
    return markdown


def _installation() -> str:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text.partition("## Install\n")[2].partition("\n## ")[0].strip()
