"""Tokens: one call for all, whatever is lost or refused."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from models.channel import Channel
from models.errors import ChannelBusyError
from tests.workers.office import SECRETS, Office
from workers.delivery import drain
from workers.senders.tokens import SharedTokens, Token, TokenKeeper
from workers.senders.wecom import WeComSender
from workers.valkey import EmbeddedValkey

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
TOKEN_CALLS = {Channel.WECOM: "gettoken", Channel.OFFICIAL_ACCOUNT: "stable_token"}


def plan_some(office: Office, channel: Channel, count: int) -> None:
    who = "advisor" if channel is Channel.WECOM else "student"
    for number in range(count):
        office.plan(who, fact=f"test:{office.world.now.isoformat()}:{number}")


@pytest.mark.parametrize("channel", list(Channel))
def test_sixteen_threads_ask_for_one_token(office: Office, channel: Channel) -> None:
    office.bind("advisor", Channel.WECOM)
    office.bind("student", Channel.OFFICIAL_ACCOUNT)
    plan_some(office, channel, 24)

    drain()

    assert len(office.arrived()) == 24
    assert len(office.calls(TOKEN_CALLS[channel])) == 1


@pytest.mark.parametrize("channel", list(Channel))
@pytest.mark.parametrize("fate", ["revoke", "expire"])
def test_a_token_that_died_is_replaced_once(office: Office, channel: Channel, fate: str) -> None:
    office.bind("advisor", Channel.WECOM)
    office.bind("student", Channel.OFFICIAL_ACCOUNT)
    plan_some(office, channel, 2)
    drain()
    office.world.forward(seconds=1)
    plan_some(office, channel, 20)
    platform = office.platform
    tokens = platform.wecom.tokens if channel is Channel.WECOM else platform.official.stable_tokens

    getattr(tokens, fate)()
    drain()

    assert len(office.arrived()) == 22
    assert len(office.calls(TOKEN_CALLS[channel])) == 2


def test_processes_share_a_token_through_redis_and_live_without_it(office: Office, valkey: EmbeddedValkey) -> None:
    office.bind("advisor", Channel.WECOM)
    office.redis_url = valkey.url
    with ThreadPoolExecutor(3) as pool:
        for number in range(6):
            office.plan("advisor", fact=f"test:{number}")
        done = list(pool.map(lambda _: office.elsewhere("delivery.drain(2)"), range(3)))

    assert [it.returncode for it in done] == [0, 0, 0], done
    assert len(office.arrived()) == 6
    assert len(office.calls("gettoken")) == 1

    valkey.kill()
    office.plan("advisor", fact="test:without")
    office.equip()
    drain()
    assert len(office.arrived()) == 7
    assert len(office.calls("gettoken")) == 2


def test_wrong_credentials_are_not_insisted_on(office: Office) -> None:
    sender = WeComSender(corp_id="ww-other", agent_id=1, secret=SECRETS[Channel.WECOM], api_base=office.address)
    for _ in range(5):
        with pytest.raises(ChannelBusyError) as refused:
            sender.client.tokens.get(until=time.monotonic() + 20)

    assert refused.value.code == 40013
    assert refused.value.retry_after.total_seconds() > 200
    assert len(office.calls("gettoken")) == 1


def test_a_token_given_with_little_life_is_not_asked_for_at_every_message(office: Office) -> None:
    asked: list[float] = []

    def fetch(until: float) -> Token:
        asked.append(until)
        return Token.given("short", 30)

    keeper = TokenKeeper("test", fetch, None)

    assert [keeper.get(time.monotonic() + 20) for _ in range(5)] == ["short"] * 5
    assert len(asked) == 1
    assert office.arrived() == []


@pytest.mark.slow
def test_another_process_that_died_in_flight_is_not_waited_for_long(office: Office, valkey: EmbeddedValkey) -> None:
    shared = SharedTokens(valkey.url)
    assert shared.begin("xinqiao:token:test") is not None  # and never ends it
    keeper = TokenKeeper("test", lambda _: Token.given("mine", 7200), SharedTokens(valkey.url))

    with pytest.raises(ChannelBusyError):
        keeper.get(until=0)
    assert keeper.get(until=time.monotonic() + 20) == "mine"
    assert office.arrived() == []
