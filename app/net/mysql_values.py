"""How a column of MySQL becomes a value of Python, where PyMySQL would leave bytes or lose the time zone."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

from pymysql.constants import FIELD_TYPE
from pymysql.converters import conversions, convert_datetime


def _moment(text: str) -> datetime | str:
    """A TIMESTAMP, unlike a DATETIME, is a moment; as the session's time zone is the server's unless set, set it to UTC."""
    read = convert_datetime(text)
    return read.replace(tzinfo=UTC) if isinstance(read, datetime) else text


CONVERSIONS: Any = {
    **conversions,
    FIELD_TYPE.BIT: partial(int.from_bytes, byteorder="big"),
    FIELD_TYPE.TIMESTAMP: _moment,
}
