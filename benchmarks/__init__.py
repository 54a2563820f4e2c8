"""Speed and memory, measured as ratios within one run against the plain way of doing it. Never a timed test."""
