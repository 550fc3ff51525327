"""Tests of the access room: the model's language, and questions against a slow interpreter and a real OpenFGA."""
