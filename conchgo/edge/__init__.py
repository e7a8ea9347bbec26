"""Where blocking meets event-driven: thread pools, lanes that keep order, cancel tokens."""
