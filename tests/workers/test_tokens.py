"""Tokens: one call for all, whatever is lost or refused."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from bot.sandbox.official_account import Account, Follower
from bot.sandbox.platform import Platform
from bot.sandbox.swift import serving
from bot.sandbox.wecom import Corp
from models.channel import Channel
from models.errors import ChannelBusyError, ChannelError
from workers.senders.clients import OfficialAccountClient, WeComClient
from workers.senders.tokens import SharedTokens, Token, TokenKeeper
from workers.valkey import EmbeddedValkey

THREADS = 64
TOKEN_CALLS = {Channel.WECOM: "gettoken", Channel.OFFICIAL_ACCOUNT: "stable_token"}
SENDS = {Channel.WECOM: "message/send", Channel.OFFICIAL_ACCOUNT: "message/custom/send"}

Client = WeComClient | OfficialAccountClient


@pytest.fixture
def platform() -> Platform:
    """Both platforms, where one person can be reached."""
    it = Platform(Account("an-id", "a-secret"), Corp("an-id", "a-secret", 1))
    it.joined("wang")
    it.official.followers["wang"] = Follower()
    it.heard("wang")
    return it


@pytest.fixture
def address(platform: Platform) -> Iterator[str]:
    """Where they answer."""
    with serving(platform) as given:
        yield given


def client_of(address: str, channel: Channel = Channel.WECOM, *, redis: str = "", identity: str = "an-id") -> Client:
    shared = SharedTokens(redis) if redis else None
    make = WeComClient if channel is Channel.WECOM else OfficialAccountClient
    return make(identity, "a-secret", address, shared)


def send(client: Client, number: int) -> int | None:
    """The platform's code for one message."""
    body = {"touser": "wang", "agentid": 1, "msgtype": "text", "text": {"content": f"你好 {number}"}}
    try:
        client.send(SENDS[client.channel], body, until=time.monotonic() + 10, attempt=1)
    except ChannelError as error:
        return error.code
    return 0


def token_calls(platform: Platform, channel: Channel = Channel.WECOM) -> int:
    return sum(row["api"].endswith(TOKEN_CALLS[channel]) for row in platform.log)


@pytest.mark.parametrize("channel", list(Channel))
def test_sixty_four_threads_ask_for_one_token(platform: Platform, address: str, channel: Channel) -> None:
    client = client_of(address, channel)

    with ThreadPoolExecutor(THREADS) as pool:
        outcomes = set(pool.map(partial(send, client), range(THREADS)))

    assert outcomes <= {0, 45047}  # the official account takes five
    assert token_calls(platform, channel) == 1


@pytest.mark.parametrize("channel", list(Channel))
@pytest.mark.parametrize("fate", ["revoke", "expire"])
def test_a_token_that_died_under_sixty_four_threads_is_replaced_once(
    platform: Platform, address: str, channel: Channel, fate: str
) -> None:
    client = client_of(address, channel)
    send(client, 0)
    tokens = platform.wecom.tokens if channel is Channel.WECOM else platform.official.stable_tokens

    getattr(tokens, fate)()
    with ThreadPoolExecutor(THREADS) as pool:
        outcomes = set(pool.map(partial(send, client), range(1, THREADS)))

    assert outcomes <= {0, 45047}
    assert token_calls(platform, channel) == 2


def test_processes_share_a_token_through_redis_and_live_without_it(
    platform: Platform, address: str, valkey: EmbeddedValkey
) -> None:
    elsewhere = (
        "from tests.workers.test_tokens import client_of, send; "
        f"raise SystemExit(send(client_of({address!r}, redis={valkey.url!r}), 1))"
    )
    with ThreadPoolExecutor(3) as pool:
        command = [sys.executable, "-c", elsewhere]
        run = partial(subprocess.run, command, check=False, timeout=60, cwd=Path(__file__).parents[2])
        done = [it.result() for it in [pool.submit(run) for _ in range(3)]]

    assert [it.returncode for it in done] == [0, 0, 0], done
    assert token_calls(platform) == 1

    valkey.kill()
    assert send(client_of(address, redis=valkey.url), 2) == 0
    assert token_calls(platform) == 2


@pytest.mark.parametrize("channel", list(Channel))
def test_wrong_credentials_are_not_insisted_on(platform: Platform, address: str, channel: Channel) -> None:
    client = client_of(address, channel, identity="another-id")
    for _ in range(5):
        with pytest.raises(ChannelBusyError) as refused:
            client.tokens.get(until=time.monotonic() + 20)

    assert refused.value.code == 40013
    assert not refused.value.asked
    assert refused.value.retry_after.total_seconds() > 200
    assert token_calls(platform, channel) == 1


def test_a_token_given_with_little_life_is_not_asked_for_at_every_message() -> None:
    asked: list[float] = []

    def fetch(until: float) -> Token:
        asked.append(until)
        return Token.given("short", 30)

    keeper = TokenKeeper("test", fetch, None)

    assert [keeper.get(time.monotonic() + 20) for _ in range(5)] == ["short"] * 5
    assert len(asked) == 1


class Desk:
    """A platform's token desk: slow, and counting."""

    def __init__(self, *texts: str) -> None:
        self.asked = 0
        self._texts = texts

    def __call__(self, until: float) -> Token:
        assert until > time.monotonic()
        time.sleep(0.05)
        self.asked += 1
        return Token.given(self._texts[min(self.asked, len(self._texts)) - 1], 7200)


@pytest.mark.parametrize("redis", ["none", "up", "down", "hung"])
def test_sixty_four_threads_replace_a_dead_token_once_with_and_without_redis(
    valkey: EmbeddedValkey, redis: str, request: pytest.FixtureRequest
) -> None:
    desk = Desk("first", "second")
    keeper = TokenKeeper("test", desk, None if redis == "none" else SharedTokens(valkey.url))
    assert keeper.get(time.monotonic() + 5) == "first"
    if redis == "down":
        valkey.kill()
    elif redis == "hung":
        assert valkey._process is not None
        request.addfinalizer(partial(valkey._process.send_signal, signal.SIGCONT))
        valkey._process.send_signal(signal.SIGSTOP)

    began = time.monotonic()
    with ThreadPoolExecutor(THREADS) as pool:
        got = set(pool.map(lambda _: keeper.replace("first", time.monotonic() + 10), range(THREADS)))

    assert (got, desk.asked) == ({"second"}, 2)
    assert time.monotonic() - began < 3


def test_a_token_that_comes_back_the_same_is_not_asked_for_by_everyone() -> None:
    desk = Desk("only")
    keeper = TokenKeeper("test", desk, None)
    keeper.get(time.monotonic() + 5)

    with ThreadPoolExecutor(THREADS) as pool:
        got = set(pool.map(lambda _: keeper.replace("only", time.monotonic() + 10), range(THREADS)))

    assert (got, desk.asked) == ({"only"}, 2)


def test_who_comes_too_late_neither_asks_nor_keeps_others_from_asking() -> None:
    desk = Desk("first")
    keeper = TokenKeeper("test", desk, None)

    with pytest.raises(ChannelBusyError) as late:
        keeper.get(until=time.monotonic())

    assert not late.value.asked
    assert desk.asked == 0
    assert keeper.get(time.monotonic() + 5) == "first"


@pytest.mark.slow
def test_another_process_that_died_in_flight_is_not_waited_for_long(valkey: EmbeddedValkey) -> None:
    shared = SharedTokens(valkey.url)
    assert shared.begin("xinqiao:token:test") is not None  # and never ends it
    keeper = TokenKeeper("test", lambda _: Token.given("mine", 7200), SharedTokens(valkey.url))

    with pytest.raises(ChannelBusyError):
        keeper.get(until=0)
    assert keeper.get(until=time.monotonic() + 20) == "mine"
