"""Users, permissions and limits as plain frozen values and pure rules."""
