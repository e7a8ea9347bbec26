"""Who is connected: realm and avatar, user to composed filesystem."""
