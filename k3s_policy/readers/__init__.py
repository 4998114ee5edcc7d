"""Readers, one module a format: each turns a Text of its format into fragments."""
