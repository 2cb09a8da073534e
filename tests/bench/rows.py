"""All rows, in the order of the table."""

from __future__ import annotations

from tests.bench.break_rows import break_rows
from tests.bench.client_rows import client_rows
from tests.bench.data_rows import data_rows
from tests.bench.handle_rows import handle_rows
from tests.bench.metadata_rows import metadata_rows, persistent_rows
from tests.bench.row import Row
from tests.bench.session_rows import session_rows

ROWS: tuple[Row, ...] = (
    *metadata_rows(),
    *data_rows(),
    *break_rows(),
    *handle_rows(),
    *persistent_rows(),
    *session_rows(),
    *client_rows(),
)
