"""Which migration this code was written for.

A new column, in both engines: add `versions/NNNN_what_it_is_for.py` with one statement in the words of
`migrations.dialect`, raise `SCHEMA`, and name the column in `storage.rows` beside its value (in `CALL`, `from_call` and
`to_call`, say). Nothing else: both engines make their statements from those names. A column that the decision itself sets
is also named in `rows.DECIDED`. Give the column a `DEFAULT` or let it be null, since databases have rows already.
"""

SCHEMA = "0030"
