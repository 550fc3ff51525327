"""Tables, statements and transactions on SQLite, MariaDB and MySQL."""
