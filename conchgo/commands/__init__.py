"""What users run by `ssh host COMMAND`: one table, one module for each command."""
