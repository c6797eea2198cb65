"""Run by Alembic: applies the steps in `versions/` on the connection that `storage.migrate` hands over, or writes them down.

Without a connection they are written as SQL for PostgreSQL, for a driver that Alembic does not know.
"""

from alembic import context

connection = context.config.attributes.get("connection")
if connection is not None:
    context.configure(connection=connection, transaction_per_migration=True)
else:
    context.configure(dialect_name="postgresql", dialect_opts={"paramstyle": "named"})
with context.begin_transaction():
    context.run_migrations()
