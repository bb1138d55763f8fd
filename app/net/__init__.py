"""How Tocsin reaches out: every connection of a probe or a channel passes `guard`, whatever the protocol."""
