"""The seeded fault simulator: the whole server in one process on a virtual clock, its faults, and an oracle beside it.

`schedule` says what will happen, `world` plays the platform and the operators, `node` is the server while it lives,
`disk` is where it writes and where it may be stopped, `oracle` says what must be true, `audit` looks whether it is.
"""
