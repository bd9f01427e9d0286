"""VSL's own rules: what squawk does not see, or sees where there is nothing.

Levels follow what PostgreSQL does under load: which lock a statement takes, whether it rewrites,
whether it reads the whole table.
"""

from __future__ import annotations

from collections.abc import Mapping

from vsl.ops.lint.finding import Rule

_BATCHES = (
    "Write in batches of a few thousand rows, each its own transaction, outside of the migration."
)
_ALONE = "Do it in a migration of its own, at a quiet time, with a short lock_timeout."

_RULES = (
    # What blocks.
    Rule(
        "vacuum-full",
        "error",
        "copies all of {table} while nobody can read or write it",
        "Plain VACUUM gives the space back for new rows; `vsl db maintain` does it where needed.",
        sized=True,
    ),
    Rule(
        "cluster",
        "error",
        "copies all of {table} in the order of an index while nobody can read or write it",
        "Leave it out: the order is lost again with the next writes.",
        sized=True,
    ),
    Rule(
        "set-logged",
        "error",
        "rewrites all of {table} while nobody can read or write it; an unlogged table is empty "
        "after a crash and not on any replica",
        "Choose LOGGED or UNLOGGED when the table is made.",
        sized=True,
    ),
    Rule(
        "set-tablespace",
        "error",
        "copies {table} to another place while nobody can read or write it",
        _ALONE,
        sized=True,
    ),
    Rule(
        "add-column-constraint",
        "error",
        "reads all of {table} to check the new column, while nobody can read or write it",
        "Add the column, then the constraint NOT VALID, and VALIDATE it in a later migration.",
        sized=True,
    ),
    Rule(
        "add-exclude",
        "error",
        "builds an index while nobody can read or write {table}; EXCLUDE can neither be NOT VALID "
        "nor use an index that is there",
        _ALONE,
        sized=True,
    ),
    Rule(
        "add-serial-column",
        "error",
        "rewrites all of {table} and its indexes to number the rows, while nobody can read or "
        "write it",
        "Add a bigint without a default, number old rows in batches, then ADD GENERATED.",
        sized=True,
    ),
    Rule(
        "create-trigger",
        "warning",
        "waits for every transaction that writes to {table} and lets nobody write meanwhile; from "
        "then on each write runs it",
        "Set a short lock_timeout, keep the function cheap, and make it before the trigger.",
        sized=True,
    ),
    Rule(
        "disable-trigger",
        "warning",
        "switches rules of {table} off for everybody, for as long as it takes",
        "SET LOCAL session_replication_role = replica switches them off for one transaction.",
    ),
    Rule(
        "row-security",
        "warning",
        "needs {table} alone for a moment, and changes which rows everybody but its owner sees",
        "Set a short lock_timeout; make the policies before ENABLE ROW LEVEL SECURITY.",
        sized=True,
    ),
    Rule(
        "partition-of",
        "warning",
        "needs {table} and its default partition alone, and reads all of the latter",
        "CREATE TABLE ... (LIKE ...), then ATTACH PARTITION, which lets others work.",
        sized=True,
    ),
    Rule(
        "attach-partition",
        "warning",
        "reads all of the default partition of {table}, if there is one, while nobody can use it, "
        "and all of the new partition",
        "First add to both a CHECK that proves where rows belong: NOT VALID, then VALIDATE.",
        sized=True,
    ),
    Rule(
        "refresh-view",
        "warning",
        "lets nobody read {table} until its whole query is done",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index on the view.",
        sized=True,
    ),
    Rule(
        "lock-table",
        "warning",
        "holds {table} until the transaction ends; whoever needs it waits",
        "Leave it out: each statement takes the lock that it needs.",
        sized=True,
    ),
    Rule(
        "validate-with-not-valid",
        "warning",
        "validates in the transaction that added the constraint, so {table} stays locked for the "
        "whole scan, as without NOT VALID",
        "VALIDATE CONSTRAINT in the next migration.",
        sized=True,
    ),
    Rule(
        "many-locks",
        "warning",
        "locks {table} besides others in one transaction: each waits for the next, and two "
        "transactions that take them in another order stop each other",
        "One migration for each table.",
        sized=True,
    ),
    Rule(
        "data-beside-ddl",
        "warning",
        "writes rows of {table} in a transaction that holds a lock on a table, which lasts until "
        "all rows are written",
        "Change the schema in one migration, the rows in the next.",
        sized=True,
    ),
    Rule(
        "no-lock-timeout",
        "note",
        "locks {table} without a lock_timeout: while it waits for a long transaction, everybody "
        "waits behind it. `vsl db migrate` sets one; psql does not",
        "SET LOCAL lock_timeout = '1s'; at the top.",
    ),
    Rule(
        "long-lock-timeout",
        "warning",
        "sets a lock_timeout of more than 10 seconds, or none: for that long everybody waits who "
        "needs the table",
        "SET LOCAL lock_timeout = '1s'; and try again when it is over.",
        always=True,
    ),
    # What loses data, or breaks programs that run.
    Rule(
        "delete-without-where",
        "error",
        "deletes every row of {table}",
        "Say which rows; for all of them say so in an ignore.",
    ),
    Rule(
        "update-without-where",
        "error",
        "rewrites every row of {table} in one transaction: their locks last until its end, and "
        "the table grows by its own size",
        _BATCHES,
        sized=True,
    ),
    Rule(
        "truncate",
        "error",
        "empties {table} at once, and nobody can read it meanwhile",
        "DELETE in batches, or say in an ignore that nothing of it is needed.",
    ),
    Rule(
        "drop-cascade",
        "error",
        "drops whatever depends on it, seen or not",
        "Name each object that goes, without CASCADE.",
    ),
    Rule(
        "drop-unique-index",
        "warning",
        "drops a unique index of {table}: duplicates come in, and ON CONFLICT on its columns fails",
        "Make its successor first, and drop this one when nothing names it any more.",
    ),
    Rule(
        "new-enum-value",
        "error",
        "uses an enum value in the transaction that adds it, which the server refuses (55P04)",
        "Add the value in one migration, use it in the next.",
        always=True,
    ),
    Rule(
        "vsl-own",
        "error",
        "changes what VSL relies on: {table}",
        "Leave it as it is. Make objects of your own beside it.",
        always=True,
    ),
    # Design.
    Rule(
        "json-column",
        "warning",
        "json keeps the text: no equality, so no DISTINCT and no GROUP BY, and no index on it",
        "jsonb.",
        always=True,
    ),
    Rule(
        "narrow-key",
        "warning",
        "a key of 32 or 16 bits runs out, and widening it rewrites the table",
        "bigint GENERATED ALWAYS AS IDENTITY, or uuid.",
        always=True,
    ),
    Rule(
        "no-primary-key",
        "warning",
        "{table} has no primary key: its rows cannot be told apart, replicated or updated safely",
        "A PRIMARY KEY.",
        always=True,
    ),
    Rule(
        "foreign-key-without-index",
        "note",
        "no index here begins with the column of the foreign key: each delete or change of a key "
        "in the other table reads all of {table}",
        "An index whose first column it is, unless rows there are never deleted.",
        always=True,
    ),
    # Security.
    Rule(
        "definer-search-path",
        "error",
        "runs with its owner's rights and looks names up where the caller says",
        "SET search_path = pg_catalog, pg_temp in its definition, and names with schemas.",
        always=True,
    ),
    Rule(
        "grant-to-public",
        "warning",
        "gives the right to every role of the database, those still to come included",
        "Name the role.",
        always=True,
    ),
    Rule(
        "grant-all",
        "note",
        "gives more rights than a program needs: TRUNCATE, REFERENCES and TRIGGER come with it",
        "Name the rights.",
        always=True,
    ),
    Rule(
        "password-literal",
        "error",
        "holds a password: it stays in the file, the server's log and the ledger of migrations",
        "Make logins outside of migrations.",
        always=True,
    ),
    Rule(
        "row-security-half",
        "warning",
        "policies of {table} and its row security do not come together: policies without ENABLE do "
        "nothing, ENABLE without policies hides every row",
        "CREATE POLICY and ENABLE ROW LEVEL SECURITY, both.",
        always=True,
    ),
    Rule(
        "create-extension",
        "note",
        "needs a superuser unless the extension is trusted, and must be installed on the server",
        "Let the owner of the server make it, and check here that it is there.",
        always=True,
    ),
    # The file.
    Rule(
        "mixed-file",
        "error",
        "",
        "Split the file: what cannot run in a transaction into a migration of its own.",
        always=True,
    ),
    Rule(
        "transaction-control",
        "error",
        "",
        "Remove it: the runner begins and ends transactions.",
        always=True,
    ),
    Rule(
        "unnamed-concurrent-index",
        "error",
        "an interrupted build leaves an invalid index that nobody can name, so the runner refuses",
        "Give the index a name.",
        always=True,
    ),
    Rule(
        "hidden-invalid-index",
        "warning",
        "IF NOT EXISTS reports success over the invalid index that an interrupted build left",
        "Leave IF NOT EXISTS out: `vsl db migrate` removes an invalid one before it tries again.",
        always=True,
    ),
    Rule(
        "bad-ignore",
        "warning",
        "",
        "-- vsl:ignore RULE: reason, on a line of its own above the statement.",
        always=True,
    ),
    Rule(
        "unused-ignore",
        "warning",
        "",
        "Remove it.",
        always=True,
    ),
)

#: The rules by name.
OWN: Mapping[str, Rule] = {rule.name: rule for rule in _RULES}
