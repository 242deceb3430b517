"""Holds the site to loading nothing from other hosts, so that it works without a network.

A hook of mkdocs. Links may lead anywhere; scripts, styles, fonts and pictures are the site's own.
"""

from __future__ import annotations

import re
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.pages import Page

LOADED = re.compile(r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?https?://[^>]*>
    | <link\b[^>]*\bhref=["']?https?://[^>]*>
    | \burl\(["']?https?://""", re.X)  # fmt: skip


def on_post_page(output: str, page: Page, **kwargs: Any) -> str:
    """Called with each page as it is written."""
    if elsewhere := LOADED.search(output):
        raise PluginError(f"{page.file.src_uri} loads from another host: {elsewhere[0]}")
    return output
