"""What a call costs: rate decks, increments, affordable time. Plain functions, no I/O."""
