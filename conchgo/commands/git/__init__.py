"""git-upload-pack, git-receive-pack and git-upload-archive: what git at the client's end starts here."""
