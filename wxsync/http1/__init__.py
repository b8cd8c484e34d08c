"""Pure HTTP/1.1: heads, framing, hop-by-hop rules."""
