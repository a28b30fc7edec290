"""The planted-bias benchmark: it measures how often verdicts are right, on models whose bias was planted."""
