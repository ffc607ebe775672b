"""What people and machines are told: events, findings, errors and the result."""
