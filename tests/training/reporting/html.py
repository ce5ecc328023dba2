"""What a page refers to, found by parsing it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

LINKS: Final = ("src", "href", "xlink:href", "srcset", "action", "poster", "data", "background", "formaction", "ping")
_URL = re.compile(r"url\(\s*['\"]?([^)'\"]*)|@import\s+([^;]*)", re.IGNORECASE)


class Page(HTMLParser):
    """References, ids, texts of elements, and the number of scripts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.handlers: list[str] = []
        self.text = ""
        self._style = False
        self._script = False
        self.feed(text)

    @property
    def outside(self) -> list[str]:
        """References that lead out of the page."""
        return [one for one in self.references if not one.startswith(("#", "data:"))]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._style, self._script = tag == "style", tag == "script"
        for name, value in attrs:
            if name in LINKS:
                self.references.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)
            self._urls(value or "")

    def handle_data(self, data: str) -> None:
        if self._style:
            self._urls(data)
        elif not self._script:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        self._style = self._script = False

    def _urls(self, text: str) -> None:
        self.references += [first or second for first, second in _URL.findall(text)]
