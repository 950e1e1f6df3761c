"""Keep hubs in SQLite or PostgreSQL, shared by any number of servers."""
