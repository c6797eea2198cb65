"""The operators' API: programs that run the gate. Litestar, loaded in a thread at start; callbacks never pass here."""
