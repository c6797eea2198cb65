"""`python -m callgate`: the command line, where the command itself is not on the path."""

from callgate.cli import main

main()
