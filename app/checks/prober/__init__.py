"""The prober's own health: when this place is cut off, its checks know nothing of their targets."""
