"""The three set-ups of a door, as fixtures."""

import pytest

from tests.doors.platforms import SITES, Site


@pytest.fixture(params=list(SITES))
def site(request: pytest.FixtureRequest) -> Site:
    """Each door with its platform."""
    return SITES[request.param]


@pytest.fixture(params=["safe", "wecom"])
def sealed_site(request: pytest.FixtureRequest) -> Site:
    """Each door that has a key."""
    return SITES[request.param]
