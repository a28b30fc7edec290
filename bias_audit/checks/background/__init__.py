"""Does the prediction follow the background? Paired composites (BA201, BA202, BA204)."""
