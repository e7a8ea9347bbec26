"""The `conchgo` command."""
