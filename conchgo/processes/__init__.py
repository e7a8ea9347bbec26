"""System commands (git, rsync): the view that one may see, its limits, and the guard of its process."""
