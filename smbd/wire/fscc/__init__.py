"""Structures of [MS-FSCC] as they cross the wire, one file per family."""
