"""Who may do what: two random halves, one to look and both to control.

Pure but for the randomness that keys are made of.
"""

from __future__ import annotations

import hmac
import secrets
from enum import StrEnum

BYTES = 18
"""Of each half: 144 bits cannot be guessed."""


class Right(StrEnum):
    """What the holder of a key may do."""

    LOOK = "look"
    CONTROL = "control"


class Keys:
    """The keys of one page.

    Attributes:
        look: Opens the page.
        control: Opens it, and carries out commands.
    """

    def __init__(self) -> None:
        self.look = secrets.token_urlsafe(BYTES)
        self.control = self.look + secrets.token_urlsafe(BYTES)

    def right(self, key: str) -> Right | None:
        """Say what a key allows, None for one that is not ours.

        Takes the same time whatever the key, so that it cannot be felt out.
        """
        given = key.encode(errors="surrogatepass")
        may_look = hmac.compare_digest(given, self.look.encode())
        may_control = hmac.compare_digest(given, self.control.encode())
        if may_control:
            return Right.CONTROL
        return Right.LOOK if may_look else None
