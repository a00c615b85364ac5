"""The check value: one sealed word that tells at start whether the configured keys open this database."""

from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import Field, Session, SQLModel

from models.errors import SettingsError
from models.seal import SealBrokenError, seal, unseal

_PLACE = "check_value.sealed:1"


class CheckValue(SQLModel, table=True):
    """One row."""

    __tablename__ = "check_value"

    id: int = Field(default=1, primary_key=True)
    sealed: bytes


def check_keys(session: Session) -> None:
    """Make the check value, or open the one that is there. Raises: SettingsError."""
    row = session.get(CheckValue, 1)
    if row is None:
        # Two processes may start on one empty database at once: the first one's value counts for both.
        session.connection().execute(
            upsert(CheckValue.__table__).values(id=1, sealed=seal("xinqiao", _PLACE)).on_conflict_do_nothing()  # type: ignore[attr-defined]
        )
        row = session.get_one(CheckValue, 1)
    try:
        unseal(row.sealed, _PLACE)
    except SealBrokenError as error:
        msg = "privacy.encryption_keys: none of these keys opens this database; put back the key it was made with"
        raise SettingsError(msg) from error
