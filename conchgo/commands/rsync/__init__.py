"""rsync --server: the far end of rsync, which runs in a box as a daemon of one client."""
