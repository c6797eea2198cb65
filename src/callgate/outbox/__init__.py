"""The outbox: records on their way to outside systems. What is queued, and in which transaction, is the service's."""
