"""Finding incidents: by words, by matchers on the labels of their alerts, in a chosen order, a page at a time."""
