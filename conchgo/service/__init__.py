"""Configuration, the composition root, the twistd service maker, listeners."""
