"""`tocsin checks new`: a probe to begin with, that works as it is. The templates stand beside this file."""
