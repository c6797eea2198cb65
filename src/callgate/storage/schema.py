"""Which migration this code was written for.

A new column, in both engines: add `versions/NNNN_what_it_is_for.py` with one statement in the words of
`migrations.dialect`, raise `SCHEMA`, and name the column beside its value in `storage.rows` or a file beside it (for calls
in `call_rows.CALL`, `from_call` and `to_call`, say). Nothing else: both engines make their statements from those names. A
column that the decision itself sets is also named in `call_rows.DECIDED`. Give the column a `DEFAULT` or let it be null,
since databases have rows already.
"""

SCHEMA = "0030"
