"""The page's own files: no data, and so no token; nothing that would load anything from elsewhere."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bidpilot.serving.http import Request, Response

STATIC = Path(__file__).parent / "static"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
)
"""What a browser lets the page do: its own files and its own server, no frames, no text that becomes code."""

_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_GUARDS = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-cache"),
]
_ELSEWHERE = Response(404, b'{"error":"no such file"}')


class Files:
    """Answers GET / and /page/NAME. The files are read once."""

    def __init__(self, folder: Path = STATIC) -> None:
        self._files: dict[str, tuple[str, Response]] = {}
        for file in sorted(folder.iterdir()):
            if file.suffix in _KINDS:
                body = file.read_bytes()
                tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
                headers = [("content-type", _KINDS[file.suffix]), ("etag", tag), *_GUARDS]
                self._files[f"/page/{file.name}"] = tag, Response(200, body, headers)
        self._files["/"] = self._files.pop("/page/index.html")  # its links are from there

    def answer(self, request: Request) -> Response | None:
        """The file that is asked for; None where the request is for none."""
        path = request.path
        if path != "/" and not path.startswith("/page/"):
            return None
        tag, found = self._files.get(path, ("", _ELSEWHERE))
        if request.method not in ("GET", "HEAD"):
            return Response(405, b'{"error":"these are files: read them with GET"}')
        if request.method == "HEAD":
            return Response(found.status, b"", found.headers)
        if tag and request.header("if-none-match") == tag:
            return Response(304, b"", found.headers)
        return found
