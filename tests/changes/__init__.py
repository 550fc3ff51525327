"""Tests of the room `changes`, as far as the door cannot show it."""
