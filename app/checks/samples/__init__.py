"""What was measured: results and samples, read back."""
