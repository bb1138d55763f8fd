"""How each channel has done last."""
