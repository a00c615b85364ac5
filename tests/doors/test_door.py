"""The doors from outside: who is let in, and who is not."""

import time
from dataclasses import replace

import pytest

from bot.doors.door import PLAIN, XML, Answer
from bot.doors.official_account import OfficialAccountDoor
from bot.doors.parse import parse
from bot.doors.wecom import WecomDoor
from models.channel import Channel
from tests.doors.platforms import (
    AES_KEY,
    APP_ID,
    CORP_ID,
    OLD_AES_KEY,
    REFUSED,
    SITES,
    TEXT,
    TOKEN,
    UNREADABLE,
    Hearer,
    Site,
    post,
)


class TestTheConsoleAsks:
    """The URL check."""

    @pytest.mark.parametrize("name", ["safe", "clear"])
    @pytest.mark.parametrize("echo", ["4711", "a b+c/d=", "<xml>&", "好"])
    def test_an_official_account_gets_its_echo_as_it_is(self, name: str, echo: str) -> None:
        site = SITES[name]

        assert site.door.get(site.platform.query(echostr=echo)) == Answer(200, echo.encode(), PLAIN)

    def test_wecom_gets_its_echo_opened(self) -> None:
        platform = SITES["wecom"].platform
        encrypted = platform.encrypt("echo-4711")

        answer = SITES["wecom"].door.get(platform.query(encrypted, echostr=encrypted))

        assert answer == Answer(200, b"echo-4711", PLAIN)

    def test_wecom_takes_no_plain_signature(self) -> None:
        site = SITES["wecom"]

        assert site.door.get(site.platform.query(echostr="4711")) == REFUSED
        assert site.door.get(site.platform.query(echostr=site.platform.encrypt("4711"))) == REFUSED

    def test_a_signed_echo_that_does_not_open_is_unreadable(self) -> None:
        site = SITES["wecom"]

        assert site.door.get(site.platform.query("QUJD", echostr="QUJD")) == UNREADABLE

    @pytest.mark.parametrize("change", [{"token": "other"}, {"age": 1000}, {"age": -1000}])
    def test_a_wrong_token_or_time_is_refused(self, site: Site, change: dict[str, float]) -> None:
        platform = replace(site.platform, **change)  # type: ignore[arg-type]
        encrypted = platform.encrypt("echo-4711")

        assert site.door.get(platform.query(encrypted, echostr=encrypted)) == REFUSED

    @pytest.mark.parametrize("lost", ["signature", "msg_signature", "timestamp", "nonce", "echostr"])
    def test_what_is_missing_or_repeated_is_refused(self, site: Site, lost: str) -> None:
        encrypted = site.platform.encrypt("echo-4711")
        query = site.platform.query(encrypted, echostr=encrypted)
        fields = query.split("&")
        own = next(field for field in fields if field.startswith(f"{lost}="))

        assert site.door.get(f"{query}&{own}") == REFUSED
        not_needed = "signature" if site.channel is Channel.WECOM else "msg_signature"
        if lost != not_needed:
            assert site.door.get("&".join(field for field in fields if field != own)) == REFUSED


class TestWhoIsLetIn:
    """Signatures, modes, times."""

    def test_a_message_reaches_the_turn_and_its_reply_goes_back(self, site: Site) -> None:
        turn = Hearer("好]]>的")
        before = time.time()

        answer = site.door.post(*site.callback(TEXT), 7.5, turn)

        (heard,) = turn.heard
        assert (heard.text, heard.received, heard.channel) == ("周报", 7.5, site.channel)
        assert (answer.status, answer.content_type) == (200, XML)
        reply = parse(site.said(answer).encode())
        assert (reply["ToUserName"], reply["FromUserName"], reply["Content"]) == ("oOne", "gh_1", "好]]>的")
        assert int(before) <= int(str(reply["CreateTime"])) <= time.time()

    @pytest.mark.parametrize("change", [{"token": "other"}, {"age": 1000}, {"age": -1000}])
    def test_a_wrong_token_or_time_is_refused(self, site: Site, change: dict[str, float]) -> None:
        turn = Hearer()
        stranger = replace(site, platform=replace(site.platform, **change))  # type: ignore[arg-type]

        assert post(site, stranger.callback(TEXT), turn) == REFUSED
        assert turn.heard == []

    def test_the_same_signature_and_nonce_may_come_again(self, site: Site) -> None:
        callback, turn = site.callback(TEXT), Hearer()

        assert {post(site, callback, turn).status for _ in range(3)} == {200}
        assert len({inbound.key for inbound in turn.heard}) == 1

    @pytest.mark.parametrize("lost", ["signature", "msg_signature", "timestamp", "nonce"])
    def test_what_is_missing_or_repeated_is_refused(self, site: Site, lost: str) -> None:
        query, body = site.callback(TEXT)
        fields = query.split("&")
        own = [field for field in fields if field.startswith(f"{lost}=")]
        if lost == ("msg_signature" if site.clear else "signature"):
            return

        assert post(site, ("&".join(field for field in fields if field not in own), body)) == REFUSED
        assert post(site, ("&".join([*fields, *own]), body)) == REFUSED
        assert post(site, ("&".join([*fields, f"{lost}=other"]), body)) == REFUSED

    def test_only_the_envelopes_own_signature_counts(self, sealed_site: Site) -> None:
        query, body = sealed_site.callback(TEXT)
        fields = dict(field.split("=") for field in query.split("&"))
        forged = "&".join(
            f"{name}={value}" for name, value in (fields | {"msg_signature": fields["signature"]}).items()
        )
        bare = "&".join(f"{name}={value}" for name, value in (fields | {"signature": "0" * 40}).items())

        assert post(sealed_site, (forged, body)) == REFUSED
        assert post(sealed_site, (bare, body)).status == 200

    @pytest.mark.parametrize(
        "body",
        [
            TEXT.encode(),
            b"",
            b"garbage",
            b"<xml><Encrypt></Encrypt></xml>",
            b"<xml><Encrypt><a/></Encrypt></xml>",
            b"<!DOCTYPE xml><xml><Encrypt>QUJD</Encrypt></xml>",
        ],
    )
    def test_with_a_key_a_bare_body_is_refused_whatever_the_address_says(self, sealed_site: Site, body: bytes) -> None:
        turn = Hearer()

        assert post(sealed_site, (sealed_site.platform.query(), body), turn) == REFUSED
        assert post(sealed_site, (sealed_site.platform.query(""), body), turn) == REFUSED
        assert turn.heard == []

    def test_of_two_envelopes_none_counts(self, sealed_site: Site) -> None:
        query, body = sealed_site.callback(TEXT)

        assert post(sealed_site, (query, body.replace(b"</xml>", b"<Encrypt>QUJD</Encrypt></xml>"))) == REFUSED

    def test_in_compatible_mode_the_sealed_half_counts(self) -> None:
        site, turn = SITES["safe"], Hearer()
        beside = "<FromUserName>oForged</FromUserName><MsgType>text</MsgType><Content>forged</Content><MsgId>2</MsgId>"

        answer = post(site, site.platform.sealed(TEXT, beside=beside), turn)

        assert [(inbound.address, inbound.text) for inbound in turn.heard] == [("oOne", "周报")]
        assert parse(site.said(answer).encode())["ToUserName"] == "oOne"

    def test_without_a_key_a_sealed_body_is_unreadable(self) -> None:
        site = SITES["clear"]

        assert post(site, site.platform.sealed(TEXT)) == UNREADABLE

    def test_the_previous_key_is_answered_with_itself(self, sealed_site: Site) -> None:
        old = replace(sealed_site, platform=replace(sealed_site.platform, aes_key=OLD_AES_KEY))

        answer = post(sealed_site, old.callback(TEXT))

        assert parse(old.said(answer).encode())["Content"] == "好"

    def test_a_signed_envelope_that_does_not_open_is_unreadable(self, sealed_site: Site) -> None:
        other_key = replace(sealed_site.platform, aes_key="x" * 43)
        other_id = replace(sealed_site.platform, receiver_id="wx_other")

        assert post(sealed_site, other_key.sealed(TEXT)) == UNREADABLE
        assert post(sealed_site, other_id.sealed(TEXT)) == UNREADABLE


class TestADoorIsMadeWhole:
    """What would make a door that lets anyone in, or nobody, is refused at the start."""

    @pytest.mark.parametrize("values", [{"token": ""}, {"aes_key": "short"}, {"previous_aes_key": "short"}])
    def test_official_account(self, values: dict[str, str]) -> None:
        with pytest.raises(ValueError, match=r"token|EncodingAESKey"):
            OfficialAccountDoor(**({"token": TOKEN, "app_id": APP_ID, "aes_key": AES_KEY} | values))

    @pytest.mark.parametrize("values", [{"token": ""}, {"corp_id": ""}, {"aes_key": ""}, {"previous_aes_key": "short"}])
    def test_wecom(self, values: dict[str, str]) -> None:
        with pytest.raises(ValueError, match=r"token|EncodingAESKey"):
            WecomDoor(agent_id=1, **({"token": TOKEN, "corp_id": CORP_ID, "aes_key": AES_KEY} | values))

    def test_clear_text_needs_a_token_too(self) -> None:
        with pytest.raises(ValueError, match="token"):
            OfficialAccountDoor(token="", app_id=APP_ID)
