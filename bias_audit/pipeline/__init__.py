"""The story of an audit: stages in their order, rules, verdict, and what goes on from a finished run."""
