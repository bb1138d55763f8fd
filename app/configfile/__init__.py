"""Alerting as code: reads files, finds every error with its line, says what would change, puts it in force."""


def boot() -> list[str]:
    """Apply settings().config for `tocsin up`; the lines to print in red, none when it is in force."""
    from app.configfile.start import boot as start

    return start()
