"""What happened: event records, the bus that carries them, the audit log that keeps them."""
