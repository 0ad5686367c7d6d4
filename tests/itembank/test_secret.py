import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from itembank.secret import local_secret_key


def test_the_key_is_made_once_and_kept(tmp_path: Path) -> None:
    key = local_secret_key(tmp_path / "home")
    assert len(key) > 50
    assert local_secret_key(tmp_path / "home") == key


def test_only_the_owner_can_read_the_key(tmp_path: Path) -> None:
    local_secret_key(tmp_path)
    assert stat.S_IMODE((tmp_path / "secret-key").stat().st_mode) == 0o600


def test_those_who_start_together_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: local_secret_key(tmp_path), range(8)))
    assert len(keys) == 1
