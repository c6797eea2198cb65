"""Who owns how much: wallets, holds, transfers. Plain functions, no I/O."""
