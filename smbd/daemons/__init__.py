"""Helper daemons: the processes beside the workers that the parent starts, watches and starts again.

Each has one module with one state class and a ``main(helper)``. See `smbd.daemons.registry` for the list.
"""
