"""Conch made strong and current: algorithms, transport, userauth, connection, channel, session."""
