"""`callgate serve`: the server."""

from callgate.cli.desk import Config, read_settings


async def serve(*, config: Config = None) -> int:
    """Serve callbacks and the dashboard until told to stop."""
    from callgate.app import serve as serve_until_stopped  # noqa: PLC0415 - the server's parts load slowly
    from callgate.logs import configure_logs  # noqa: PLC0415

    settings = read_settings(config)
    configure_logs(settings.log_level)
    await serve_until_stopped(settings)
    return 0
