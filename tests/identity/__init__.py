"""Tests of the identity room: what is believed, and what is granted."""
