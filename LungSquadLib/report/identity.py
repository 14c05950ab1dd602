"""Patient identity stays in the input: outputs carry a hash of it."""

from __future__ import annotations

import hashlib
import os

KEY_VARIABLE = "LUNGSQUAD_IDENTITY_KEY"
_ROUNDS = 200_000  # so that trying all numbers of a hospital takes long


def pseudonym(identity: str) -> str:
    """A name for a patient that is the same every time and does not tell who it is.

    PBKDF2-HMAC-SHA256 of the identity. With a secret in `LUNGSQUAD_IDENTITY_KEY` nobody without it
    can test a guess; without one, a guess can be tested, slowly.
    """
    key = os.environ.get(KEY_VARIABLE, "").encode()
    digest = hashlib.pbkdf2_hmac("sha256", identity.encode(), b"LungSquad" + key, _ROUNDS)
    return "LS-" + digest.hex()[:16]
