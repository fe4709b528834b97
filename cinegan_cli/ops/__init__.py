"""Native operators and their pure-torch references."""
