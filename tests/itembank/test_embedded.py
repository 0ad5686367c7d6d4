from pathlib import Path

import psycopg
import pytest

from itembank.embedded import EmbeddedServices

pytestmark = pytest.mark.fault


def test_servers_of_a_fresh_home_start_keep_their_data_and_stop(tmp_path: Path) -> None:
    services = EmbeddedServices(tmp_path)
    with services.in_use(), psycopg.connect(services.database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    assert not services.postgres_running()
    assert not services.broker_running()
    with services.in_use(), psycopg.connect(services.database_url) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def test_the_last_user_stops_the_servers(tmp_path: Path) -> None:
    services = EmbeddedServices(tmp_path)
    with services.in_use():
        with EmbeddedServices(tmp_path).in_use():
            pass
        assert services.postgres_running()
        assert services.broker_running()
    assert not services.postgres_running()


def test_a_killed_server_starts_again(tmp_path: Path) -> None:
    services = EmbeddedServices(tmp_path)
    with services.in_use():
        services.stop_broker(immediately=True)
        services.stop_postgres(immediately=True)
        services.start()
        assert services.postgres_running()
        assert services.broker_running()
