"""`callgate serve`: the server."""

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from callgate.cli.desk import Config, Whole, read_settings


def serve(
    *,
    workers: Annotated[
        Whole, Parameter(help="Processes that share the port, on PostgreSQL.", validator=Number(gte=1, lte=64))
    ] = 1,
    config: Config = None,
) -> int:
    """Serve callbacks and the dashboard until told to stop."""
    from callgate import server
    from callgate import workers as processes
    from callgate.logs import configure_logs

    settings = read_settings(config)
    configure_logs(settings.log_level)
    if workers > 1:
        return processes.serve_all(settings, workers)
    server.run(server.serve(settings))
    return 0
