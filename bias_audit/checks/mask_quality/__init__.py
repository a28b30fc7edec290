"""How good estimated masks are (BA909)."""
