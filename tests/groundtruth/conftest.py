"""The local provider of paid models: this process, and workers it starts, know no other."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.groundtruth.judge_server import JudgeServer


@pytest.fixture
def judge_server(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[JudgeServer]:
    with JudgeServer() as server:
        settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = server.url, server.key
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", server.key)
        yield server
