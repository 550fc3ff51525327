"""Tests of the query room: filters, orders, pages and masks, against plain interpreters and real SQLite."""
