"""The database: engine, migrations, its clock."""
