"""Where blocking meets event-driven: thread pools, and what a channel and its program are to each other."""
