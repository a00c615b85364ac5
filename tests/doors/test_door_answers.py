"""The doors from outside: what a turn hears, what goes back, what is counted."""

import logging
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from bot.doors.counters import Outcome
from bot.doors.door import PLAIN, Answer
from bot.doors.inbound import Inbound, NoAnswer
from bot.doors.kinds import TABLE
from bot.doors.parse import parse
from bot.doors.reply import MOST_BYTES
from models.channel import Channel
from tests.doors.platforms import (
    PAYLOADS,
    SITES,
    TEXT,
    UNREADABLE,
    Hearer,
    Site,
    counted,
    payload,
    post,
)

FILES = sorted(PAYLOADS.glob("*/*.xml"))


class TestWhatIsUnreadable:
    """Signed, and still not to be understood."""

    @pytest.mark.parametrize(
        "message",
        [
            b"",
            b"{}",
            b"\x00",
            b"\xff",
            b"<xml/>",
            b"<xml><a>b</a></xml>",
            TEXT.replace("<xml>", "<!DOCTYPE xml><xml>").encode(),
            TEXT.replace("<xml>", '<?xml version="1.0" encoding="gbk"?><xml>').encode("gbk"),
            TEXT.replace("周报", "<a>" * 20 + "</a>" * 20).encode(),
            TEXT.replace("<MsgType>text</MsgType>", "").encode(),
            TEXT.replace("<MsgType>text</MsgType>", "<MsgType>event</MsgType>").encode(),
            TEXT.replace("<FromUserName>oOne</FromUserName>", "").encode(),
            TEXT.replace("<ToUserName>gh_1</ToUserName>", "").encode(),
            TEXT.replace("<MsgId>1</MsgId>", "").encode(),
            TEXT.replace("<MsgId>1</MsgId>", "<MsgId>1</MsgId><MsgId>2</MsgId>").encode(),
        ],
    )
    def test_it_is_400_with_an_empty_body_and_no_turn(self, site: Site, message: bytes) -> None:
        turn = Hearer()

        assert post(site, site.callback(message), turn) == UNREADABLE
        assert turn.heard == []

    def test_the_log_says_why_and_nothing_of_what(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        post(site, site.callback("<!DOCTYPE secret><xml><secret/></xml>"))

        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert record.__dict__["flaw"] == "a document type"
        assert "secret" not in str(record.__dict__)


class TestWhatIsSaid:
    """Replies, silence, failures."""

    @pytest.mark.parametrize("says", [None, "", " \n", "\x00"])
    def test_nothing_to_say_is_what_each_platform_calls_it(self, site: Site, says: str | None) -> None:
        assert post(site, site.callback(TEXT), Hearer(says)) == Answer(200, site.silence, PLAIN)

    def test_a_long_reply_is_cut_and_someone_must_look(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        answer = post(site, site.callback(TEXT), Hearer("安" * 1000))

        content = parse(site.said(answer).encode())["Content"]
        assert isinstance(content, str)
        assert len(content.encode()) <= MOST_BYTES
        assert [record.levelno for record in caplog.records] == [logging.ERROR]

    def test_what_a_turn_should_have_caught_stays_inside(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        def turn(_: Inbound) -> str:
            raise ZeroDivisionError

        answer = post(site, site.callback(TEXT), turn)

        assert answer == Answer(200, site.silence, PLAIN)
        (record,) = caplog.records
        assert record.levelno == logging.ERROR
        assert record.exc_info is not None

    def test_a_turn_that_wants_no_answer_is_heard_above(self, site: Site) -> None:
        def turn(_: Inbound) -> str:
            raise NoAnswer

        with pytest.raises(NoAnswer):
            post(site, site.callback(TEXT), turn)

    def test_wecom_is_answered_in_the_case_it_asked_in(self) -> None:
        site, turn = SITES["wecom"], Hearer()

        answer = post(site, site.callback(payload(Channel.WECOM, "text")), turn)

        assert turn.heard[0].address == "lisi.redacted"
        assert parse(site.said(answer).encode())["ToUserName"] == "Lisi.Redacted"


class TestEveryKind:
    """All rows of the table through the real doors."""

    @pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
    def test_a_payload_is_a_turn_or_acknowledged(self, file: Path) -> None:
        name = file.stem.replace("event-", "event/", 1).split("-")[0]
        kind = TABLE[name]
        for site in SITES.values():
            if site.channel != file.parent.name:
                continue
            turn = Hearer()
            before = counted("inbound_total", site.channel, kind=name)

            answer = post(site, site.callback(file.read_bytes()), turn)

            assert [inbound.kind for inbound in turn.heard] == ([] if kind is None else [kind])
            if kind is None:
                assert answer == Answer(200, site.silence, PLAIN)
            assert counted("inbound_total", site.channel, kind=name) == before + 1

    @pytest.mark.parametrize(
        ("kind", "shown"),
        [
            ("<MsgType>Hologram</MsgType>", "hologram"),
            ("<MsgType>event</MsgType><Event>moon_phase</Event>", "event/moon_phase"),
            ("<MsgType>秘密</MsgType>", ""),
            ("<MsgType>" + "x" * 99 + "</MsgType>", ""),
        ],
    )
    def test_an_unknown_type_is_acknowledged_logged_and_counted(
        self, site: Site, kind: str, shown: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        turn = Hearer()
        before = counted("inbound_total", site.channel, kind="unknown")

        answer = post(site, site.callback(TEXT.replace("<MsgType>text</MsgType>", kind)), turn)

        assert answer == Answer(200, site.silence, PLAIN)
        assert turn.heard == []
        assert counted("inbound_total", site.channel, kind="unknown") == before + 1
        (record,) = caplog.records
        assert record.__dict__["type"] == shown
        assert "周报" not in str(record.__dict__)

    @pytest.mark.parametrize(("agent", "turns"), [("1000002", 1), ("1000003", 0), ("x", 0), ("", 1)])
    def test_another_apps_message_is_acknowledged_only(self, agent: str, turns: int) -> None:
        site, turn = SITES["wecom"], Hearer(None)
        before = counted("inbound_total", Channel.WECOM, kind="foreign")

        message = TEXT.replace("</xml>", f"<AgentID>{agent}</AgentID></xml>")
        answer = post(site, site.callback(message), turn)

        assert answer == Answer(200, b"", PLAIN)
        assert len(turn.heard) == turns
        assert counted("inbound_total", Channel.WECOM, kind="foreign") == before + 1 - turns

    def test_the_agent_outside_the_envelope_says_nothing(self) -> None:
        site, turn = SITES["wecom"], Hearer()

        post(site, site.platform.sealed(TEXT, beside="<AgentID>1</AgentID>"), turn)

        assert len(turn.heard) == 1


class TestWhatIsCounted:
    """One outcome a callback."""

    @pytest.mark.parametrize("outcome", list(Outcome))
    def test_each_outcome_is_counted_once(self, site: Site, outcome: Outcome) -> None:
        before = {each: counted("callbacks_total", site.channel, outcome=each) for each in Outcome}

        self.cause(site, outcome)

        after = {each: counted("callbacks_total", site.channel, outcome=each) for each in Outcome}
        assert after == before | {outcome: before[outcome] + 1}

    @staticmethod
    def cause(site: Site, outcome: Outcome) -> None:
        stale = replace(site, platform=replace(site.platform, age=1000))
        if outcome is Outcome.VERIFIED:
            encrypted = site.platform.encrypt("1")
            site.door.get(site.platform.query(encrypted, echostr=encrypted))
        elif outcome is Outcome.ANSWERED:
            post(site, site.callback(TEXT))
        elif outcome is Outcome.SILENT:
            post(site, site.callback(TEXT), Hearer(None))
        elif outcome is Outcome.ACKNOWLEDGED:
            post(site, site.callback(TEXT.replace(">text<", ">hologram<")))
        elif outcome is Outcome.REFUSED:
            post(site, ("", b""))
        elif outcome is Outcome.STALE:
            post(site, stale.callback(TEXT))
        elif outcome is Outcome.UNREADABLE:
            post(site, site.callback("<xml/>"))
        else:
            error = NoAnswer if outcome is Outcome.UNANSWERED else ZeroDivisionError

            def turn(_: Inbound) -> str:
                raise error

            with suppress(NoAnswer):
                post(site, site.callback(TEXT), turn)
