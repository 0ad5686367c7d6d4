"""The secret key of a local installation: made once, kept in the home directory, readable by its owner only."""

import os
import secrets
from pathlib import Path


def local_secret_key(home: Path) -> str:
    """The key on file, made at first use. Two processes that start together agree on one."""
    path = home / "secret-key"
    home.mkdir(parents=True, exist_ok=True)
    candidate = home / f".secret-key-{secrets.token_hex(8)}"
    if not path.exists():
        candidate.touch(mode=0o600)
        candidate.write_text(secrets.token_urlsafe(50), encoding="ascii")
        try:
            os.link(candidate, path)  # atomic, and fails where another process was first
        except FileExistsError:
            pass
        finally:
            candidate.unlink()
    return path.read_text(encoding="ascii")
