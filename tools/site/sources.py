"""Gives each source file that a page links to a page of the site, so that the links work offline.

A hook of mkdocs. On the site a link to `../include/inferencekey.h` leads to the page
`sources/include/inferencekey.h`.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\((?P<up>(?:\.\./)+)(?P<path>[\w/.-]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each file outside of docs/ that a page links to."""
    pages = (file.content_string for file in files.documentation_pages())
    linked = {link["path"] for text in pages for link in LINK.finditer(text)}
    for path in sorted(linked):
        if (ROOT / path).is_file():
            files.append(
                File.generated(
                    config,
                    f"sources/{path}.md",
                    content=shown(path),
                    inclusion=InclusionLevel.NOT_IN_NAV,
                )
            )
    return files


def shown(path: str) -> str:
    """The file as a page."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".md"):
        return text
    language = {"h": "c", "py": "python"}.get(path.rpartition(".")[2], path.rpartition(".")[2])
    return f"# {path}\n\n~~~~{language}\n{text}\n~~~~\n"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links to such a file lead to its page."""

    def there(link: re.Match[str]) -> str:
        target = f"sources/{link['path']}.md"
        known = files.get_file_from_path(target) is not None
        # One `../` leaves docs/; the others lead there.
        return f"]({link['up'].removeprefix('../')}{target})" if known else link[0]

    return LINK.sub(there, markdown)
