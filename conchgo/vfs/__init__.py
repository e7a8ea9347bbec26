"""What one session may see and do: wrappers of the storage interface, one concern each."""
