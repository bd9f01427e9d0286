"""Which of squawk's rules count here, what they mean in our words, and why the others do not.

Names as squawk 2.70 has them. A rule that a newer squawk adds is passed on as a note.
"""

from __future__ import annotations

from collections.abc import Mapping

from vsl.ops.lint.finding import Rule

_TWO_STEPS = (
    "Let the new and the old version of the program run with both, then remove in a later one."
)
_VALIDATE_LATER = "ADD CONSTRAINT ... NOT VALID here, VALIDATE CONSTRAINT in the next migration."
_READERS = "breaks programs that still use it"

_ADOPTED = (
    Rule(
        "require-concurrent-index-creation",
        "error",
        "lets nobody write to {table} until the index is built",
        "CREATE INDEX CONCURRENTLY, in a migration of its own.",
        sized=True,
    ),
    Rule(
        "require-concurrent-index-deletion",
        "warning",
        "waits for every transaction that uses {table}, and everybody waits behind it",
        "DROP INDEX CONCURRENTLY, in a migration of its own.",
        sized=True,
    ),
    Rule(
        "require-concurrent-reindex",
        "error",
        "lets nobody write to {table}, nor plan a read by the index, until it is built again",
        "REINDEX ... CONCURRENTLY; `vsl db maintain` does it where an index is bloated.",
        sized=True,
    ),
    Rule(
        "require-concurrent-partition-detach",
        "warning",
        "waits for every transaction that uses {table}, and everybody waits behind it",
        "DETACH PARTITION ... CONCURRENTLY, in a migration of its own.",
        sized=True,
    ),
    Rule(
        "adding-field-with-default",
        "error",
        "rewrites all of {table} and its indexes, while nobody can read or write it: the value is "
        "computed for each row",
        "Add the column without it, SET DEFAULT, and fill old rows in batches.",
        sized=True,
    ),
    Rule(
        "prefer-identity",
        "note",
        "a serial's sequence has rights and an owner of its own, and the default can be overridden",
        "GENERATED ALWAYS AS IDENTITY.",
        always=True,
    ),
    Rule(
        "adding-required-field",
        "error",
        "fails as soon as {table} has a row, and programs that do not know the column fail to "
        "insert",
        "Add it with a constant default, or without NOT NULL.",
    ),
    Rule(
        "adding-not-nullable-field",
        "error",
        "reads all of {table} while nobody can read or write it",
        "ADD CHECK (column IS NOT NULL) NOT VALID; VALIDATE in the next migration; SET NOT NULL in "
        "the one after, which then reads nothing.",
        sized=True,
    ),
    Rule(
        "constraint-missing-not-valid",
        "error",
        "reads all of {table} to check the constraint, while nobody can write to it",
        _VALIDATE_LATER,
        sized=True,
    ),
    Rule(
        "disallowed-unique-constraint",
        "error",
        "builds an index while nobody can read or write {table}",
        "CREATE UNIQUE INDEX CONCURRENTLY in one migration, ADD CONSTRAINT ... USING INDEX in the "
        "next.",
        sized=True,
    ),
    Rule(
        "adding-serial-primary-key-field",
        "error",
        "builds the key's index, and for a new serial rewrites {table}, while nobody can read or "
        "write it",
        "CREATE UNIQUE INDEX CONCURRENTLY on a column that is NOT NULL, then ADD PRIMARY KEY USING "
        "INDEX.",
        sized=True,
    ),
    Rule(
        "changing-column-type",
        "error",
        "rewrites all of {table} and its indexes while nobody can read or write it, unless old "
        "values are valid as they are (varchar to longer or text, numeric to more digits)",
        "Add a column of the new type, fill it in batches, and switch over.",
        sized=True,
    ),
    Rule("ban-drop-table", "error", "the rows of {table} are gone", _TWO_STEPS),
    Rule("ban-drop-column", "error", f"the column's values are gone; {_READERS}", _TWO_STEPS),
    Rule("ban-drop-schema", "error", "everything in it is gone", _TWO_STEPS),
    Rule("ban-drop-database", "error", "the database is gone", "No migration does this."),
    Rule("ban-drop-sequence", "error", f"its counter is gone; {_READERS}", _TWO_STEPS),
    Rule(
        "ban-drop-extension", "error", "its types go, with the columns that have them", _TWO_STEPS
    ),
    Rule("ban-drop-type", "warning", _READERS, _TWO_STEPS),
    Rule("ban-drop-domain", "warning", _READERS, _TWO_STEPS),
    Rule("ban-drop-view", "warning", _READERS, _TWO_STEPS),
    Rule("ban-drop-function", "warning", _READERS, _TWO_STEPS),
    Rule(
        "ban-drop-not-null", "warning", "programs that rely on a value will meet NULL", _TWO_STEPS
    ),
    Rule("ban-drop-default", "warning", "programs that leave the column out will fail", _TWO_STEPS),
    Rule(
        "ban-drop-constraint",
        "note",
        "what the constraint kept out comes in from now on",
        "Add its successor first, NOT VALID, when it is to be replaced.",
    ),
    Rule("renaming-column", "warning", _READERS, "Add a column, write both, switch readers, drop."),
    Rule("renaming-table", "warning", _READERS, "Rename, and leave a view under the old name."),
    Rule("renaming-object", "warning", _READERS, _TWO_STEPS),
    Rule("ban-set-schema", "warning", _READERS, "Leave a view or a wrapper under the old name."),
    Rule(
        "ban-alter-identity",
        "warning",
        "inserts of programs that give the value themselves may fail",
        _TWO_STEPS,
    ),
    Rule(
        "ban-alter-domain-with-add-constraint",
        "warning",
        "reads every table with a column of the domain while nobody can write to them",
        "A CHECK on each table, NOT VALID, then VALIDATE.",
    ),
    Rule(
        "ban-create-domain-with-constraint",
        "note",
        "a domain's constraint can only be changed by reading every table that uses it",
        "The plain type and a CHECK on each table.",
        always=True,
    ),
    Rule(
        "require-enum-value-ordering",
        "note",
        "without BEFORE or AFTER the value comes last, and its place cannot be changed later",
        "ADD VALUE ... AFTER ..., when the order counts.",
        always=True,
    ),
    Rule(
        "prefer-timestamp-tz",
        "warning",
        "timestamp forgets the zone: the same value means another moment for each session",
        "timestamptz.",
        always=True,
    ),
    Rule(
        "ban-char-field",
        "warning",
        "char pads values with spaces, and comparisons ignore some of them",
        "text, with a CHECK for its length.",
        always=True,
    ),
    Rule(
        "identifier-too-long",
        "warning",
        "the server cuts names off after 63 bytes, and two can become one",
        "A shorter name.",
        always=True,
    ),
    Rule(
        "ban-duplicate-column-assignments",
        "error",
        "sets a column twice, which the server refuses",
        "Set it once.",
        always=True,
    ),
    Rule(
        "syntax-error",
        "error",
        "squawk cannot read this",
        "Correct it; if the server takes it, say so in an ignore.",
        always=True,
    ),
    Rule(
        "unused-ignore",
        "warning",
        "a comment for squawk silences nothing",
        "Remove it.",
        always=True,
    ),
)

#: The rules that count, by squawk's name.
ADOPTED: Mapping[str, Rule] = {rule.name: rule for rule in _ADOPTED}

_OURS = "VSL's rule {} says it, and knows more"
_OPT_IN = "off in squawk by default, and "

#: Squawk's other rules, with the reason.
DROPPED: Mapping[str, str] = {
    "prefer-robust-stmts": "files run once, in a transaction; IF NOT EXISTS hides what is wrong",
    "require-table-schema": "the runner sets search_path to public; names without schema are plain",
    "prefer-text-field": "varchar(n) to a larger n or to text is free; shrinking is a type change",
    "prefer-bigint-over-int": _OURS.format("narrow-key") + ": a width in pixels may be an integer",
    "prefer-bigint-over-smallint": _OURS.format("narrow-key"),
    "require-lock-timeout": _OURS.format("no-lock-timeout") + ": which tables are new",
    "require-statement-timeout": "the runner sets one, long enough for what is allowed here",
    "require-timeout-settings": "the two rules above in one",
    "transaction-nesting": _OURS.format("transaction-control"),
    "ban-uncommitted-transaction": _OURS.format("transaction-control"),
    "ban-concurrent-index-creation-in-transaction": _OURS.format("mixed-file"),
    "ban-truncate-cascade": _OURS.format("truncate") + ": without CASCADE it is as bad",
    "prefer-repack": _OURS.format("vacuum-full"),
    "adding-foreign-key-constraint": "constraint-missing-not-valid is said of the same place; "
    "REFERENCES of a new column reads nothing",
    "ban-add-column": _OPT_IN + "adding a column without a volatile default is harmless",
    "ban-add-composite-attribute": _OPT_IN + "harmless",
    "ban-add-enum-value": _OPT_IN + "harmless; using it at once is new-enum-value",
    "ban-alter-database-options": _OPT_IN + "no lock, no data",
    "ban-alter-extension": _OPT_IN + "an upgrade of an extension is ordinary",
    "ban-alter-function-options": _OPT_IN + "ordinary",
    "ban-alter-generated-expression": _OPT_IN + "rare",
    "ban-alter-policy-condition": _OURS.format("row-security"),
    "ban-alter-policy-roles": _OURS.format("row-security"),
    "ban-alter-role-options": _OPT_IN + "ordinary",
    "ban-alter-row-level-security": _OURS.format("row-security"),
    "ban-alter-sequence-values": _OPT_IN + "ordinary after loading rows",
    "ban-alter-system-options": "refused inside a transaction; mixed-file says so",
    "ban-alter-view-options": _OPT_IN + "ordinary",
    "ban-create-policy": _OURS.format("row-security"),
    "ban-detach-inheritance": _OPT_IN + "rare",
    "ban-disable-trigger": _OURS.format("disable-trigger"),
    "ban-drop-generated-expression": _OPT_IN + "the values stay",
    "ban-drop-index": "require-concurrent-index-deletion, drop-unique-index and vsl-own say it",
    "ban-drop-policy": _OURS.format("row-security"),
    "ban-drop-trigger": _OPT_IN + "ordinary when a function is replaced",
    "ban-new-write-restriction": _OPT_IN + "constraint rules say what matters",
    "ban-replace-view-function": _OPT_IN + "replacing functions and views is how VSL upgrades",
    "ban-replica-identity": _OPT_IN + "rare",
    "ban-revoke": _OPT_IN + "taking rights away is what least privilege is made of",
    "ban-set-default": _OPT_IN + "harmless",
    "prefer-timestamptz": "another name of prefer-timestamp-tz",
}
