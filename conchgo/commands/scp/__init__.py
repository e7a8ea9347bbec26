"""scp: the protocol of rcp, as `scp -O`, pscp and many appliances speak it. OpenSSH's scp.c is its only text."""
