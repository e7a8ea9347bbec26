"""The Alembic environment: `env.py` is run by Alembic, `versions/` holds one module per change of the schema."""
