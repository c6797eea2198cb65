"""`callgate serve`: the server."""

from callgate.cli.desk import Config, read_settings


async def serve(*, config: Config = None) -> int:
    """Serve callbacks and the dashboard until told to stop."""
    from callgate.app import serve as serve_until_stopped
    from callgate.logs import configure_logs

    settings = read_settings(config)
    configure_logs(settings.log_level)
    await serve_until_stopped(settings)
    return 0
