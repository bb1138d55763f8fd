"""What each kind of rule finds in a series: one plug-in a file, found by `app.plugins`. Pure."""
