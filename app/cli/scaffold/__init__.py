"""`tocsin checks new`: a working probe to start from. The templates are beside this file."""
