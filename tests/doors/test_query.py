"""The query of a callback's address."""

import time

import pytest

from bot.doors.errors import StaleError, UnprovenError
from bot.doors.query import TOLERANCE, Query

SECONDS = int(TOLERANCE.total_seconds())


def test_parameters_are_decoded_once() -> None:
    query = Query("nonce=n%2B1&echostr=a%252Fb+c%3D&openid=o-_1&empty=")

    assert (query["nonce"], query["echostr"], query["openid"]) == ("n+1", "a%2Fb c=", "o-_1")


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_what_is_missing_or_empty_is_not_proven(name: str) -> None:
    with pytest.raises(UnprovenError):
        Query("nonce=1&empty=")[name]


@pytest.mark.parametrize(
    "raw",
    [
        "nonce=1&nonce=1",
        "nonce=1&nonc%65=2",
        "nonce=%ff",
        "nonce=%ED%A0%80",
        "nonce=好",
        "nonce=\udcff",
        "&".join(f"a{n}=1" for n in range(33)),
    ],
)
def test_what_can_be_read_two_ways_is_not_proven(raw: str) -> None:
    with pytest.raises(UnprovenError):
        Query(raw)


@pytest.mark.parametrize("offset", [0, 2 - SECONDS, SECONDS - 2])
def test_a_timestamp_within_a_quarter_of_an_hour_is_fresh(offset: int) -> None:
    Query(f"timestamp={int(time.time()) + offset}").check_fresh()


@pytest.mark.parametrize("offset", [-SECONDS - 2, SECONDS + 2])
def test_a_timestamp_farther_off_is_stale(offset: int) -> None:
    with pytest.raises(StaleError):
        Query(f"timestamp={int(time.time()) + offset}").check_fresh()


@pytest.mark.parametrize(
    "timestamp", ["", "now", "-1", "1e9", "1_000", "%D9%A1%D9%A2", "%C2%B2", "1.5", "9" * 13, "1" * 9999]
)
def test_what_is_no_timestamp_is_not_proven_and_not_called_stale(timestamp: str) -> None:
    with pytest.raises(UnprovenError) as caught:
        Query(f"timestamp={timestamp}").check_fresh()

    assert type(caught.value) is UnprovenError
