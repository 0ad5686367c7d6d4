"""`python -m itembank.healthcheck [ROLE]`: exit status 0 while the web server of this container, or its worker, lives.

A worker that is busy lives: its signs of life come from the loop that takes messages (itembank/heartbeats.py). The web
server is asked for /healthz and not for /readyz: restarting it mends no database.
"""

import http.client
import os
import sys


def main(host: str = "127.0.0.1", port: int = 8000) -> int:
    connection = http.client.HTTPConnection(host, port, timeout=4)
    try:
        connection.request("GET", "/healthz")
        return 0 if connection.getresponse().status == 200 else 1
    except (OSError, http.client.HTTPException):
        return 1
    finally:
        connection.close()


def worker(role: str) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "itembank.settings")
    from itembank.broker import BrokerError
    from itembank.heartbeats import WorkerState, workers
    from itembank.processes import worker_name

    try:
        alive = {each.name for each in workers() if each.state is not WorkerState.DEAD}
    except BrokerError:
        return 1
    return 0 if worker_name(role) in alive else 1


if __name__ == "__main__":
    sys.exit(worker(sys.argv[1]) if len(sys.argv) > 1 else main())
