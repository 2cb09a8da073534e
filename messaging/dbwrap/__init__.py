"""Databases with record locks behind one interface."""
