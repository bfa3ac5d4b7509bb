"""Tells the user that a run has ended: a command, or a webhook.

Both get the summary as JSON. Neither can change how the run ended: what goes wrong here
is said and no more.
"""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from batcher.errors import UsageError
from batcher.json_text import to_json

if TYPE_CHECKING:
    from batcher.models import Summary

SECONDS = 30.0


def run_command(command: str, summary: Summary) -> str | None:
    """Run a shell command with the summary on its standard input.

    Returns:
        What went wrong, if anything did.
    """
    try:
        done = subprocess.run(  # noqa: S602 - the user's own command line
            command, shell=True, input=to_json(summary), timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"--on-end: {error}"
    return f"--on-end: exit code {done.returncode}" if done.returncode else None


def post_webhook(url: str, summary: Summary) -> str | None:
    """POST the summary to a URL, once; says what went wrong, if anything did."""
    request = urllib.request.Request(  # noqa: S310 - checked by `checked_webhook`
        url,
        data=to_json(summary),
        headers={"Content-Type": "application/json", "User-Agent": "batcher"},
    )
    try:
        with urllib.request.urlopen(request, timeout=SECONDS):  # noqa: S310
            return None
    except (urllib.error.URLError, OSError, ValueError) as error:
        return f"--webhook: {error}"


def checked_webhook(url: str) -> str:
    """Check a webhook's URL before the run; raises `UsageError`."""
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"--webhook: expected http(s)://…, got {url!r}")
    return url
