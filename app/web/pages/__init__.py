"""One file per noun: parse -> service -> render."""
