"""Tests of the store: every engine, every fault."""
