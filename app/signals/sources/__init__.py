"""What foreign payloads mean as signals: one plug-in a file, found by `app.plugins`. Pure."""
