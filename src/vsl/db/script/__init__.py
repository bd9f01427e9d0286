"""Reading SQL scripts as PostgreSQL reads them, without a server: tokens, statements, meaning."""

from vsl.db.script.kinds import (
    Mode,
    concurrent_index,
    mode,
    outside_transaction,
    transaction_control,
)
from vsl.db.script.lexer import Kind, Token, tokens
from vsl.db.script.meaning import meaning
from vsl.db.script.names import identifier
from vsl.db.script.split import Statement, split

__all__ = [
    "Kind",
    "Mode",
    "Statement",
    "Token",
    "concurrent_index",
    "identifier",
    "meaning",
    "mode",
    "outside_transaction",
    "split",
    "tokens",
    "transaction_control",
]
