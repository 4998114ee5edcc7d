"""Facts about K3s, and what it makes of a single value; each with its source."""
