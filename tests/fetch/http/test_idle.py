"""How long idle connections are kept, by a clock that the tests turn."""

from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from archiver.fetch.http.connection import Waiting
from archiver.fetch.http.transport import ConnectionPool, SocketTransport
from tests.fetch.http.wire_server import PATIENCE, WireServer, always, reply

HELLO = always(reply(b"hello"))


class Keeping:
    """A transport that keeps idle connections for 30 seconds of ``now``."""

    def __init__(self) -> None:
        self.now = 1_000.0
        waiting = Waiting(PATIENCE, clock=lambda: self.now)
        pool = ConnectionPool(httpx.create_ssl_context(verify=False), 2, waiting, keep_idle=30.0)
        self.transport = SocketTransport(pool)

    def head(self, url: str) -> httpx.Response:
        timeout = dict.fromkeys(("connect", "read", "write", "pool"), PATIENCE)
        request = httpx.Request("GET", url, extensions={"timeout": timeout})
        return self.transport.handle_request(request)

    def get(self, url: str) -> bytes:
        with closing(self.head(url)) as response:
            return response.read()


@pytest.fixture
def keeping() -> Iterator[Keeping]:
    keeping = Keeping()
    with closing(keeping.transport):
        yield keeping


def test_a_connection_is_kept_for_its_time(keeping: Keeping) -> None:
    with WireServer(HELLO) as server:
        for _ in range(3):
            assert keeping.get(server.origin) == b"hello"
            keeping.now += 29
        assert server.opened == 1


def test_a_connection_that_was_idle_for_too_long_is_replaced(keeping: Keeping) -> None:
    with WireServer(HELLO) as server:
        for count in range(1, 4):
            assert keeping.get(server.origin) == b"hello"
            keeping.now += 31
            assert server.opened == count
            server.wait_until_open(1)


def test_connections_to_servers_that_nobody_asks_any_more_are_ended_too(keeping: Keeping) -> None:
    with WireServer(HELLO) as one, WireServer(HELLO) as other:
        keeping.get(one.origin)
        keeping.now += 31
        keeping.get(other.origin)
        one.wait_until_open(0)
        other.wait_until_open(1)


def test_the_time_of_an_answer_is_no_idle_time(keeping: Keeping) -> None:
    with WireServer(HELLO) as server:
        with closing(keeping.head(server.origin)) as response:
            keeping.now += 100
            assert response.read() == b"hello"
        keeping.now += 29
        assert keeping.get(server.origin) == b"hello"
        assert server.opened == 1


def test_of_several_the_one_used_last_is_used_again(keeping: Keeping) -> None:
    with WireServer(HELLO) as server:
        first, second = keeping.head(server.origin), keeping.head(server.origin)
        second.close()
        first.close()
        keeping.get(server.origin)
        assert [asked.connection for asked in server.asked] == [1, 2, 1]


def test_nothing_is_kept_once_it_is_closed(keeping: Keeping) -> None:
    with WireServer(HELLO) as server:
        response = keeping.head(server.origin)
        keeping.transport.close()
        assert response.read() == b"hello"
        response.close()
        server.wait_until_open(0)
