"""What callers may ask of a list: filters, orders, pages, field masks. Pure: no I/O, no engine named."""
