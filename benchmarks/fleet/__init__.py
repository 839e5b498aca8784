"""What a call costs on one gateway and on several processes of it, on SQLite and on PostgreSQL with Redis."""
