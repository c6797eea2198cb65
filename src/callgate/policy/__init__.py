"""May this call be placed: reasons to refuse it, and the limits that operators set. No money, no I/O."""
