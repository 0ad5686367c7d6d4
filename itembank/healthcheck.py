"""`python -m itembank.healthcheck`: exit status 0 while the web server of this container answers."""

import http.client
import sys


def main(host: str = "127.0.0.1", port: int = 8000) -> int:
    connection = http.client.HTTPConnection(host, port, timeout=4)
    try:
        # The forwarded header keeps the redirect to https out of the way; a wrong host name still answers below 500.
        connection.request("GET", "/admin/login/", headers={"X-Forwarded-Proto": "https"})
        return 0 if connection.getresponse().status < 500 else 1
    except OSError:
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
