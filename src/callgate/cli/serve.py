"""`callgate serve`: the server."""

from callgate.cli.desk import Config, read_settings


def serve(*, config: Config = None) -> int:
    """Serve callbacks and the dashboard until told to stop."""
    from callgate import server
    from callgate.logs import configure_logs

    settings = read_settings(config)
    configure_logs(settings.log_level)
    server.run(server.serve(settings))
    return 0
