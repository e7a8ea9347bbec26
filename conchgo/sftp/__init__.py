"""SFTP version 3: codec, engine, extensions, status table, the ISFTPServer adapter."""
