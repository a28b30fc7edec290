"""Whether the audit can be trusted at all: unreadable, too few, at chance (BA901 to BA905)."""
