"""Reads an HTML page as a browser does without running its script."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "img", "input", "br", "link"}


class Page(HTMLParser):
    """The elements of a page with their attributes and text, and whether the tags close properly."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1], " ".join(data.split())))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def data(self, identifier: str) -> dict[str, Any]:
        """The JSON that the page's script reads."""
        place = [attributes.get("id") for attributes in self.all("script")].index(identifier)
        text = [text for tag, text in self.texts if tag == "script"][place]
        return dict(json.loads(text))

    def said(self) -> str:
        return " ".join(text for tag, text in self.texts if tag not in {"style", "script"})
