"""More work than the server can take (F37, P7): what it can do it does, the rest it refuses quickly, and then all is as before."""
