"""Runs roc-validator without a network, in an environment of its own: it needs an older rich.

Usage: python crate_validator.py CRATE CONTEXT CACHE. The context is the part of RO-Crate 1.1's
that crates use here; it is put where the validator keeps what it fetched.
"""
# mypy: ignore-errors
# What it imports is in that environment alone.

import io
import json
import sys
from pathlib import Path
from typing import Any

import requests
import urllib3
from requests.adapters import BaseAdapter, HTTPAdapter
from rocrate_validator import services
from rocrate_validator.models import Severity
from rocrate_validator.utils.http import HttpRequester

CONTEXT = "https://w3id.org/ro/crate/1.1/context"


class Kept(BaseAdapter):
    """Answers every request with the context."""

    def __init__(self, context: Path) -> None:
        super().__init__()
        self._context = context

    def send(self, request: Any, **_: Any) -> requests.Response:
        body = io.BytesIO(self._context.read_bytes())
        headers = {"Content-Type": "application/ld+json"}
        raw = urllib3.HTTPResponse(body, headers, 200, preload_content=False)
        return HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        """Nothing is open."""


def main(crate: str, context: str, cache: str) -> None:
    requester = HttpRequester.initialize_cache(cache_path=cache, cache_max_age=-1)
    requester.session.mount("https://w3id.org/", Kept(Path(context)))
    for headers in ({}, {"Accept": "application/ld+json"}):
        requester.session.get(CONTEXT, headers=headers)
    settings = services.ValidationSettings(
        rocrate_uri=crate,
        profile_identifier="process-run-crate",
        requirement_severity=Severity.RECOMMENDED,
        offline=True,
        cache_path=Path(cache),
    )
    issues = services.validate(settings).get_issues()
    found = sorted([issue.severity.name, issue.message] for issue in issues)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
