"""Pictures changed on purpose: objects cut out and pasted, backgrounds lent, regions erased."""
