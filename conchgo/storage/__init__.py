"""Where the bytes are: backends that know no users."""
