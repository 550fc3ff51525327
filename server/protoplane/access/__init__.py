"""Who may do what: a model of relations, and one table of tuples beside the data that it is asked of."""
